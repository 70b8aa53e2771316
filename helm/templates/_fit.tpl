{{- /* Changes to a manifest, made in place. Each takes a list: the root, then the document. */ -}}

{{- /* Not empty for what the values leave out. Init containers migrate, so the Job is for those who apply files. */ -}}
{{- define "exchange.unwanted" -}}
{{- $values := (index . 0).Values }}
{{- $document := index . 1 }}
{{- $name := $document.metadata.name }}
{{- $app := dig "metadata" "labels" "app" $name $document }}
{{- $backup := and $values.backup.enabled (not $values.postgres.external) }}
{{- if or
  (eq $document.kind "Namespace")
  (eq $name "exchange-migrate")
  (and (eq $document.kind "Secret") $values.existingSecret)
  (and (eq $app "postgres") $values.postgres.external)
  (and (eq $app "redis") $values.redis.external)
  (and (or (eq $app "exchange-backup") (eq $name "backup")) (not $backup))
  (and (or (has $app (list "prometheus" "grafana")) (eq $name "prometheus-config")) (not $values.monitoring.enabled))
  (and (eq $document.kind "HorizontalPodAutoscaler") (not $values.autoscaling.enabled))
  (and (eq $document.kind "NetworkPolicy") (not $values.networkPolicies.enabled))
-}}unwanted{{- end }}
{{- end }}

{{- define "exchange.fit" }}
{{- $root := index . 0 }}
{{- $document := index . 1 }}
{{- $values := $root.Values }}
{{- $name := $document.metadata.name }}
{{- $_ := set $document.metadata "namespace" $root.Release.Namespace }}
{{- if eq $document.kind "Secret" }}{{ include "exchange.fitSecret" . }}{{ end }}
{{- if eq $name "exchange-config" }}{{ include "exchange.fitConfig" . }}{{ end }}
{{- if eq $document.kind "Ingress" }}{{ include "exchange.fitIngress" . }}{{ end }}
{{- if eq $document.kind "NetworkPolicy" }}{{ include "exchange.fitPolicy" . }}{{ end }}
{{- if eq $document.kind "Deployment" }}
{{- include "exchange.fitPod" (list $root $document.spec.template.spec) }}
{{- with get $values.replicas $name }}{{ $_ := set $document.spec "replicas" . }}{{ end }}
{{- /* What scales by itself is not set back by each upgrade. */}}
{{- if and $values.autoscaling.enabled (eq $name "exchange-api") }}{{ $_ := unset $document.spec "replicas" }}{{ end }}
{{- with get $values.resources $name }}{{ $_ := set (first $document.spec.template.spec.containers) "resources" . }}{{ end }}
{{- end }}
{{- if eq $document.kind "CronJob" }}
{{- include "exchange.fitPod" (list $root $document.spec.jobTemplate.spec.template.spec) }}
{{- $_ := set $document.spec "schedule" $values.backup.schedule }}
{{- range (first $document.spec.jobTemplate.spec.template.spec.containers).env }}
{{- if eq .name "KEEP_DAYS" }}{{ $_ := set . "value" (toString $values.backup.keepDays) }}{{ end }}
{{- end }}
{{- end }}
{{- if eq $document.kind "HorizontalPodAutoscaler" }}
{{- $_ := set $document.spec "minReplicas" $values.autoscaling.minReplicas }}
{{- $_ := set $document.spec "maxReplicas" $values.autoscaling.maxReplicas }}
{{- end }}
{{- if eq $document.kind "PersistentVolumeClaim" }}
{{- with get $values.storage $name }}{{ $_ := set $document.spec.resources.requests "storage" . }}{{ end }}
{{- with $values.storageClass }}{{ $_ := set $document.spec "storageClassName" . }}{{ end }}
{{- end }}
{{- end }}

{{- /* Every key that is a placeholder is to be given; an external server's URL takes the place of its password. */ -}}
{{- define "exchange.fitSecret" }}
{{- $values := (index . 0).Values }}
{{- $data := (index . 1).stringData }}
{{- if $values.postgres.external }}{{ $_ := unset $data "POSTGRES_PASSWORD" }}{{ $_ := set $data "DATABASE_URL" "replace-me" }}{{ end }}
{{- if $values.redis.external }}{{ $_ := unset $data "REDIS_PASSWORD" }}{{ $_ := set $data "REDIS_URL" "replace-me" }}{{ end }}
{{- range $key, $example := $data }}
{{- $given := get $values.secrets $key }}
{{- if and (not $given) (contains "replace-me" $example) }}
{{- fail (printf "secrets.%s is not given: set it, or existingSecret" $key) }}
{{- end }}
{{- $_ := set $data $key (default $example $given) }}
{{- end }}
{{- end }}

{{- define "exchange.fitConfig" }}
{{- $values := (index . 0).Values }}
{{- $data := (index . 1).data }}
{{- $secure := ternary "s" "" $values.tls.enabled }}
{{- $public := printf "http%s://%s" $secure $values.host }}
{{- $_ := set $data "PUBLIC_URL" $public }}
{{- $_ := set $data "CSRF_TRUSTED_ORIGINS" $public }}
{{- $_ := set $data "STREAMS_URL" (printf "ws%s://%s/ws/v1" $secure $values.host) }}
{{- $_ := set $data "SECURE" (ternary "1" "0" $values.tls.enabled) }}
{{- $_ := set $data "ALLOWED_HOSTS" (replace "exchange.local" $values.host $data.ALLOWED_HOSTS) }}
{{- $_ := set $data "DEFAULT_FROM_EMAIL" (printf "exchange@%s" $values.host) }}
{{- range $key, $value := $values.config }}{{ $_ := set $data $key $value }}{{ end }}
{{- end }}

{{- define "exchange.fitIngress" }}
{{- $values := (index . 0).Values }}
{{- $document := index . 1 }}
{{- $_ := set $document.spec "ingressClassName" $values.ingress.className }}
{{- $_ := set (first $document.spec.rules) "host" $values.host }}
{{- if $values.tls.enabled }}
{{- $_ := set $document.spec "tls" (list (dict "hosts" (list $values.host) "secretName" $values.tls.secretName)) }}
{{- end }}
{{- range $key, $value := $values.ingress.annotations }}{{ $_ := set $document.metadata.annotations $key $value }}{{ end }}
{{- end }}

{{- /* Images, the secret's name, and where the servers are. */ -}}
{{- define "exchange.fitPod" }}
{{- $root := index . 0 }}
{{- $pod := index . 1 }}
{{- $values := $root.Values }}
{{- $tag := default $root.Chart.AppVersion $values.images.tag }}
{{- with $values.images.pullSecrets }}{{ $_ := set $pod "imagePullSecrets" . }}{{ end }}
{{- range $container := concat (default list $pod.initContainers) $pod.containers }}
{{- range $which := list "api" "frontend" }}
{{- if hasPrefix (printf "exchange/%s:" $which) $container.image }}
{{- $_ := set $container "image" (printf "%s:%s" (get $values.images $which) $tag) }}
{{- $_ := set $container "imagePullPolicy" $values.images.pullPolicy }}
{{- end }}
{{- end }}
{{- $variables := list }}
{{- range $variable := $container.env }}
{{- if and $values.postgres.external (eq $variable.name "DATABASE_URL") }}
{{- $variable = dict "name" "DATABASE_URL" "valueFrom" (dict "secretKeyRef" (dict "name" "exchange-secrets" "key" "DATABASE_URL")) }}
{{- else if and $values.redis.external (eq $variable.name "REDIS_URL") }}
{{- $variable = dict "name" "REDIS_URL" "valueFrom" (dict "secretKeyRef" (dict "name" "exchange-secrets" "key" "REDIS_URL")) }}
{{- end }}
{{- $secret := dig "valueFrom" "secretKeyRef" dict $variable }}
{{- if and $secret $values.existingSecret }}{{ $_ := set $secret "name" $values.existingSecret }}{{ end }}
{{- $unused := or (and $values.postgres.external (eq $variable.name "POSTGRES_PASSWORD")) (and $values.redis.external (eq $variable.name "REDIS_PASSWORD")) }}
{{- if not $unused }}{{ $variables = append $variables $variable }}{{ end }}
{{- end }}
{{- if $variables }}{{ $_ := set $container "env" $variables }}{{ end }}
{{- end }}
{{- end }}

{{- /* External servers are reached at addresses, for they are no pods; where the ingress controller lives is a value. */ -}}
{{- define "exchange.fitPolicy" }}
{{- $values := (index . 0).Values }}
{{- $spec := (index . 1).spec }}
{{- range $rule := default list $spec.egress }}
{{- range $peer := default list $rule.to }}
{{- $app := dig "podSelector" "matchLabels" "app" "" $peer }}
{{- range $server := list "postgres" "redis" }}
{{- $settings := get $values $server }}
{{- if and (eq $app $server) $settings.external }}
{{- $_ := set $rule "to" (list (dict "ipBlock" (dict "cidr" $settings.cidr))) }}
{{- $_ := set (first $rule.ports) "port" $settings.port }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $rule := default list $spec.ingress }}
{{- range $peer := $rule.from }}
{{- if hasKey $peer "namespaceSelector" }}
{{- $_ := set $peer.namespaceSelector.matchLabels "kubernetes.io/metadata.name" $values.ingress.namespace }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "exchange.fitShard" }}
{{- $document := index . 0 }}
{{- $shard := toString (index . 1) }}
{{- $_ := set $document.metadata "name" (printf "exchange-matching-%s" $shard) }}
{{- $_ := set $document.metadata.labels "shard" $shard }}
{{- $_ := set $document.spec.selector.matchLabels "shard" $shard }}
{{- $_ := set $document.spec.template.metadata.labels "shard" $shard }}
{{- range (first $document.spec.template.spec.containers).env }}
{{- if eq .name "SHARD" }}{{ $_ := set . "value" $shard }}{{ end }}
{{- end }}
{{- end }}
