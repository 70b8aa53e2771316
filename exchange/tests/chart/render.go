// Render a chart's templates as `helm template` does, where there is no helm: its functions, values and files, no hooks and no schema.
//
//	render CHART NAMESPACE VALUES.json
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type files map[string][]byte

func (f files) Get(name string) string { return string(f[name]) }

func (f files) Glob(pattern string) files {
	found := files{}
	for name, content := range f {
		if matched, _ := path.Match(pattern, name); matched {
			found[name] = content
		}
	}
	return found
}

func (f files) AsConfig() string {
	data := map[string]string{}
	for name, content := range f {
		data[path.Base(name)] = string(content)
	}
	return toYAML(data)
}

func toYAML(value interface{}) string {
	text, err := yaml.Marshal(value)
	must(err)
	return strings.TrimSuffix(string(text), "\n")
}

func fromYAML(text string) map[string]interface{} {
	value := map[string]interface{}{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		value["Error"] = err.Error()
	}
	return value
}

func merge(over, under map[string]interface{}) map[string]interface{} {
	for key, value := range under {
		given, isGiven := over[key]
		deeper, isMap := given.(map[string]interface{})
		below, wasMap := value.(map[string]interface{})
		if !isGiven {
			over[key] = value
		} else if isMap && wasMap {
			over[key] = merge(deeper, below)
		}
	}
	return over
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// read follows links to folders, as helm does.
func read(folder, prefix string, into files) {
	entries, err := os.ReadDir(folder)
	must(err)
	for _, entry := range entries {
		full := filepath.Join(folder, entry.Name())
		info, err := os.Stat(full)
		must(err)
		if info.IsDir() {
			read(full, prefix+entry.Name()+"/", into)
		} else {
			into[prefix+entry.Name()], err = os.ReadFile(full)
			must(err)
		}
	}
}

func main() {
	all := files{}
	read(os.Args[1], "", all)
	given, err := os.ReadFile(os.Args[3])
	must(err)
	values := map[string]interface{}{}
	must(json.Unmarshal(given, &values))
	chart := fromYAML(all.Get("Chart.yaml"))

	set := template.New("").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	functions["toYaml"], functions["fromYaml"] = toYAML, fromYAML
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := set.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	functions["required"] = func(what string, value interface{}) (interface{}, error) {
		if value == nil || value == "" {
			return nil, errors.New(what)
		}
		return value, nil
	}
	set.Funcs(functions)
	rest := files{}
	for name, content := range all {
		if strings.HasPrefix(name, "templates/") {
			template.Must(set.New(name).Parse(string(content)))
		} else if name != "Chart.yaml" && name != "values.yaml" {
			rest[name] = content
		}
	}
	data := map[string]interface{}{
		"Values":  merge(values, fromYAML(all.Get("values.yaml"))),
		"Files":   rest,
		"Release": map[string]interface{}{"Namespace": os.Args[2], "Name": "exchange", "Service": "Helm"},
		"Chart":   map[string]interface{}{"Name": chart["name"], "AppVersion": chart["appVersion"], "Version": chart["version"]},
	}
	for name := range all {
		if strings.HasPrefix(name, "templates/") && !strings.HasPrefix(path.Base(name), "_") {
			must(set.ExecuteTemplate(os.Stdout, name, data))
		}
	}
}
