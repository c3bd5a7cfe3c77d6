"""psycopg 3, as its page "Basic module usage" shows it: a transaction goes on until it is committed."""

import psycopg

import scenario


class Client:
    def __init__(self, _number):
        self.connection = psycopg.connect(
            host=scenario.HOST, port=scenario.PORT, user=scenario.USER, password=scenario.PASSWORD, dbname=scenario.DATABASE,
            sslmode="verify-full", sslrootcert=scenario.CA,
        )

    def one(self, sql, *values):
        row = self.connection.execute(sql, values).fetchone()
        self.connection.commit()
        return row

    def read_book(self, book):
        return self.one("SELECT title, price FROM books WHERE id = %s", book)

    def read_details(self, book):
        mood, tags, extra, published = self.one("SELECT mood, tags, extra, published FROM books WHERE id = %s", book)
        return mood, tags, extra["pages"], published.year

    def add_note(self, client, body):
        return self.one("INSERT INTO notes (client, body) VALUES (%s, %s) RETURNING id", client, body)[0]

    def read_note(self, note):
        return self.one("SELECT body FROM notes WHERE id = %s", note)[0]

    def change_note(self, note, body):
        with self.connection.transaction():
            self.connection.execute("UPDATE notes SET body = %s WHERE id = %s", (body, note))

    def count_notes(self, client):
        return self.one("SELECT count(*) FROM notes WHERE client = %s", client)[0]

    def take_back(self, client, body):
        with self.connection.transaction(force_rollback=True):
            row = self.connection.execute("INSERT INTO notes (client, body) VALUES (%s, %s) RETURNING id", (client, body)).fetchone()
            assert self.connection.execute("SELECT body FROM notes WHERE id = %s", row).fetchone()[0] == body

    def introspect(self):
        pass

    def fate(self, book):
        self.connection.execute("SELECT title, price FROM books WHERE id = %s", (book,))
        status = self.connection.execute("SHOW overdrive.status").fetchone()[0]
        reason = self.connection.execute("SHOW overdrive.reason").fetchone()[0]
        self.connection.commit()
        return status, reason


scenario.run(psycopg.__version__, Client)
