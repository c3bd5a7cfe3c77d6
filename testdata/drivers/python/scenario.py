"""What each client of each Python program does with its driver. A client has these methods, plain or async:

read_book(id)            -> (title, price)
read_details(id)         -> (mood, tags, pages, year published)
add_note(client, body)   -> id
read_note(id)            -> body
change_note(id, body)
count_notes(client)      -> number
take_back(client, body)  adds a note in a transaction, reads it there, and rolls back
introspect()             what the framework asks of the catalog, if it does
fate(id)                 reads the book and, as the same session and in the same transaction, if the driver is in one, asks the
                         proxy what became of that -> (status, reason)
"""

import asyncio
import inspect
import json
import os
import sys
import threading
import traceback
from decimal import Decimal

HOST = os.environ["DRIVERS_HOST"]
PORT = int(os.environ["DRIVERS_PORT"])
USER = os.environ["DRIVERS_USER"]
PASSWORD = os.environ["DRIVERS_PASSWORD"]
DATABASE = os.environ["DRIVERS_DATABASE"]
CA = os.environ["DRIVERS_CA"]
CLIENTS = int(os.environ["DRIVERS_CLIENTS"])

READS, DETAILS, WRITES = 40, 10, 5


async def value(result):
    return await result if inspect.isawaitable(result) else result


async def read(client, seen):
    for i in range(READS):
        book = i % 5 + 1
        title, price = await value(client.read_book(book))
        if (title, price) != (f"Book {book}", Decimal(book) + Decimal("0.5")):
            raise AssertionError(f"book {book} is {title} at {price}")
    for i in range(DETAILS):
        book = i % 5 + 1
        if tuple(await value(client.read_details(book))) != ("happy", ["paper", "signed"], 100 + book, 2020):
            seen["types_read"] = False


def count(seen, was_read):
    seen["writes"] += 1
    seen["own_writes_read"] += was_read


async def write(client, number, seen):
    for i in range(WRITES):
        before = await value(client.count_notes(number))
        note = await value(client.add_note(number, f"new {i}"))
        count(seen, await value(client.read_note(note)) == f"new {i}")
        count(seen, await value(client.count_notes(number)) == before + 1)
        await value(client.change_note(note, f"changed {i}"))
        count(seen, await value(client.read_note(note)) == f"changed {i}")
    before = await value(client.count_notes(number))
    await value(client.take_back(number, "never"))
    seen["rollback_undone"] = await value(client.count_notes(number)) == before


async def visit(client, number, seen):
    await value(client.introspect())
    await read(client, seen)
    await write(client, number, seen)
    await read(client, seen)
    seen["status"], seen["reason"] = await value(client.fate(1))
    seen["served"] = True


def nothing_seen():
    return {"served": False, "writes": 0, "own_writes_read": 0, "rollback_undone": False, "types_read": True}


def describe(error):
    traceback.print_exception(error)
    cause = getattr(error, "orig", None) or error.__cause__ or error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return f"{type(error).__name__} {state or ''}: {error}"


def report(version, seen):
    """Prints what the clients saw, and keeps their connections until the runner has looked at them."""
    print(json.dumps({"version": version, "clients": seen}), flush=True)


def run(version, connect):
    """Runs each client in a thread. connect(number) returns one."""
    clients, seen = [None] * CLIENTS, [nothing_seen() for _ in range(CLIENTS)]

    def work(number):
        try:
            clients[number] = connect(number)
            visit(clients[number], number, seen[number]).send(None)  # nothing in it suspends
        except StopIteration:
            pass
        except Exception as error:
            seen[number]["error"] = describe(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report(version, seen)
    sys.stdin.read()


async def run_async(version, client):
    """Runs each client as a task. They share what their driver shares, such as a pool."""
    seen = [nothing_seen() for _ in range(CLIENTS)]

    async def work(number):
        try:
            await visit(client, number, seen[number])
        except Exception as error:
            seen[number]["error"] = describe(error)

    await asyncio.gather(*(work(n) for n in range(CLIENTS)))
    report(version, seen)
    await asyncio.to_thread(sys.stdin.read)
