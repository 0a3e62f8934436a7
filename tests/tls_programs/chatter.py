"""One process that speaks TLS with itself about anything but SBI, on blocking sockets, until its standard input ends.

python chatter.py CERTIFICATE KEY: prints the name of its TLS library's file, waits for a line, then prints one for
each 200 exchanges.
"""

import select
import socket
import ssl
import sys
import threading

LINE = b"PRICES 17 18 19 from elsewhere\n"
EACH = 200


def answer(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Send back what comes."""
    link = context.wrap_socket(listener.accept()[0], server_side=True)
    while data := link.recv(4_096):
        link.sendall(data)


def main() -> None:
    """Ask and answer."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123  (plain Python of the system)
        print(next(line.split()[-1] for line in maps if "libssl" in line), flush=True)
    sys.stdin.readline()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:3])
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer, args=(listener, context), daemon=True).start()
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    link = unchecked.wrap_socket(socket.create_connection(listener.getsockname()))
    count = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        link.sendall(LINE)
        assert link.recv(4_096) == LINE
        count += 1
        if count % EACH == 0:
            print(count, flush=True)


if __name__ == "__main__":
    main()
