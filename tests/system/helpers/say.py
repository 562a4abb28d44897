"""A service that follows its words: KEY=VALUE is sent (\\n separates several in one datagram),
child:KEY=VALUE by a child, until:PATH waits for a file, feed sends WATCHDOG=1 for ever, fork-main
names a child the main process and goes on there, exit:N ends, sleep stays."""
import os
import socket
import sys
import time


def send(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(os.environ["NOTIFY_SOCKET"])
        s.send(text.replace("\\n", "\n").encode())


def in_child(text):
    pid = os.fork()
    if pid == 0:
        send(text)
        os._exit(0)
    os.waitpid(pid, 0)


def move_to_child():
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.read(read, 1)  # until the parent has named us
        return
    send(f"MAINPID={pid}")
    os.close(write)
    os._exit(0)


for word in sys.argv[1:]:
    if word == "sleep":
        time.sleep(100000)
    elif word == "feed":
        while True:
            send("WATCHDOG=1")
            time.sleep(int(os.environ["WATCHDOG_USEC"]) / 5e6)
    elif word == "fork-main":
        move_to_child()
    elif word.startswith("child:"):
        in_child(word[6:])
    elif word.startswith("until:"):
        while not os.path.exists(word[6:]):
            time.sleep(0.01)
    elif word.startswith("exit:"):
        os._exit(int(word[5:]))
    else:
        send(word)
