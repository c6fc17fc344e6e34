# systemd's end of the notification socket: prints each datagram as one line of JSON.
import json, socket, sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print(json.dumps("listening"), flush=True)
while True:
    print(json.dumps(receiver.recv(4096).decode()), flush=True)
