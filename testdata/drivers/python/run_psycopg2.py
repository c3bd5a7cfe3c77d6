"""psycopg 2, as its page "Basic module usage" shows it: each `with connection` is a transaction."""

import psycopg2

import scenario


class Client:
    def __init__(self, _number):
        self.connection = psycopg2.connect(
            host=scenario.HOST, port=scenario.PORT, user=scenario.USER, password=scenario.PASSWORD, dbname=scenario.DATABASE,
            sslmode="verify-full", sslrootcert=scenario.CA,
        )

    def one(self, sql, *values):
        with self.connection:
            with self.connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchone()

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
        with self.connection:
            with self.connection.cursor() as cursor:
                cursor.execute("UPDATE notes SET body = %s WHERE id = %s", (body, note))

    def count_notes(self, client):
        return self.one("SELECT count(*) FROM notes WHERE client = %s", client)[0]

    def take_back(self, client, body):
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO notes (client, body) VALUES (%s, %s) RETURNING id", (client, body))
            cursor.execute("SELECT body FROM notes WHERE id = %s", cursor.fetchone())
            assert cursor.fetchone()[0] == body
        self.connection.rollback()

    def introspect(self):
        pass

    def fate(self, book):
        with self.connection:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT title, price FROM books WHERE id = %s", (book,))
                cursor.execute("SHOW overdrive.status")
                status = cursor.fetchone()[0]
                cursor.execute("SHOW overdrive.reason")
                return status, cursor.fetchone()[0]


scenario.run(psycopg2.__version__.split()[0], Client)
