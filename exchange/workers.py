"""End a web server's worker process together with its server.

The law: a server that was killed outright leaves no worker behind that would go on answering on its port beside those of the
server started in its place. Only worker processes are meant; whatever else imports this is left alone.
"""

import multiprocessing
import os
import signal

from exchange.embedded.servers import end_with_owner


def end_with_server() -> None:
    """Have the kernel end this process when its server dies; at once, should that have happened already.

    By SIGKILL: a worker that is still starting may pass over a SIGTERM, and would stay.
    """
    server = multiprocessing.parent_process()
    let_kernel_see_to_it = end_with_owner(signal.SIGKILL)
    if server is None or let_kernel_see_to_it is None:
        return
    let_kernel_see_to_it()
    if os.getppid() != server.pid:
        os.kill(os.getpid(), signal.SIGKILL)


end_with_server()
