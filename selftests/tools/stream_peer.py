#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The dom0 end of TCP connections with a guest, whose end is busybox's nc.

stream_peer.py receive IP PORT OCTETS SECONDS   take so many bytes, print their hash
stream_peer.py send IP PORT OCTETS SECONDS      send random bytes, print their hash
stream_peer.py sink IP PORT                     take and forget, until killed

nc itself won't do here: it ends when either direction does.
"""
import hashlib
import os
import socket
import sys
import time


def listener(address):
    return socket.create_server(address)


def receive(address, octets, seconds):
    digest, count = hashlib.sha256(), 0
    with listener(address) as server:
        server.settimeout(seconds)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(seconds)
            while count < octets and (data := connection.recv(1 << 18)):
                digest.update(data)
                count += len(data)
    if count != octets:
        raise ConnectionError(f"{count} of {octets} bytes came")
    return digest.hexdigest()


def send(address, octets, seconds):
    data = os.urandom(octets)
    end = time.monotonic() + seconds
    while True:  # until the guest listens
        try:
            connection = socket.create_connection(address, timeout=seconds)
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    with connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    return hashlib.sha256(data).hexdigest()


def sink(address):
    with listener(address) as server:
        while True:
            connection, _ = server.accept()
            with connection:
                while connection.recv(1 << 18):
                    pass


def main():
    mode, address = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
    if mode == "sink":
        sink(address)
    octets, seconds = int(sys.argv[4]), float(sys.argv[5])
    print((receive if mode == "receive" else send)(address, octets, seconds))


if __name__ == "__main__":
    main()
