"""asyncpg, as its page "Connection Pools" shows it."""

import asyncio
import json
import ssl

import asyncpg

import scenario


class Client:
    def __init__(self, pool):
        self.pool = pool

    async def read_book(self, book):
        row = await self.pool.fetchrow("SELECT title, price FROM books WHERE id = $1", book)
        return row["title"], row["price"]

    async def read_details(self, book):
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow("SELECT mood, tags, extra, published FROM books WHERE id = $1", book)
        return row["mood"], row["tags"], json.loads(row["extra"])["pages"], row["published"].year

    async def add_note(self, client, body):
        return await self.pool.fetchval("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", client, body)

    async def read_note(self, note):
        return await self.pool.fetchval("SELECT body FROM notes WHERE id = $1", note)

    async def change_note(self, note, body):
        await self.pool.execute("UPDATE notes SET body = $2 WHERE id = $1", note, body)

    async def count_notes(self, client):
        return await self.pool.fetchval("SELECT count(*) FROM notes WHERE client = $1", client)

    async def take_back(self, client, body):
        async with self.pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            note = await connection.fetchval("INSERT INTO notes (client, body) VALUES ($1, $2) RETURNING id", client, body)
            assert await connection.fetchval("SELECT body FROM notes WHERE id = $1", note) == body
            await transaction.rollback()

    async def introspect(self):
        pass  # it looks up the enum of read_details

    async def fate(self, book):
        async with self.pool.acquire() as connection:
            await connection.fetchrow("SELECT title, price FROM books WHERE id = $1", book)
            return await connection.fetchval("SHOW overdrive.status"), await connection.fetchval("SHOW overdrive.reason")


async def main():
    async with asyncpg.create_pool(
        host=scenario.HOST, port=scenario.PORT, user=scenario.USER, password=scenario.PASSWORD,
        database=scenario.DATABASE, ssl=ssl.create_default_context(cafile=scenario.CA),
    ) as pool:
        await scenario.run_async(asyncpg.__version__, Client(pool))


asyncio.run(main())
