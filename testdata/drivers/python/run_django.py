"""Django's ORM over psycopg 3, with the settings that its template has: USE_TZ, autocommit, a connection for each thread."""

import django
from django.conf import settings

import scenario

settings.configure(
    INSTALLED_APPS=["django.contrib.postgres"],
    USE_TZ=True,
    TIME_ZONE="UTC",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": scenario.DATABASE,
            "USER": scenario.USER,
            "PASSWORD": scenario.PASSWORD,
            "HOST": scenario.HOST,
            "PORT": scenario.PORT,
            "OPTIONS": {"sslmode": "verify-full", "sslrootcert": scenario.CA},
        }
    },
)
django.setup()

from django.contrib.postgres.fields import ArrayField  # noqa: E402 (needs the settings)
from django.db import connection, models, transaction  # noqa: E402


class Book(models.Model):
    title = models.TextField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    mood = models.TextField()
    tags = ArrayField(models.TextField())
    extra = models.JSONField()
    published = models.DateTimeField()

    class Meta:
        app_label, db_table, managed = "drivers", "books", False


class Note(models.Model):
    id = models.BigAutoField(primary_key=True)
    client = models.IntegerField()
    body = models.TextField()

    class Meta:
        app_label, db_table, managed = "drivers", "notes", False


class Client:
    def __init__(self, _number):
        pass

    def read_book(self, book):
        return Book.objects.values_list("title", "price").get(pk=book)

    def read_details(self, book):
        found = Book.objects.get(pk=book)
        return found.mood, found.tags, found.extra["pages"], found.published.year

    def add_note(self, client, body):
        return Note.objects.create(client=client, body=body).pk

    def read_note(self, note):
        return Note.objects.get(pk=note).body

    def change_note(self, note, body):
        found = Note.objects.get(pk=note)
        found.body = body
        found.save()

    def count_notes(self, client):
        return Note.objects.filter(client=client).count()

    def take_back(self, client, body):
        with transaction.atomic():
            note = Note.objects.create(client=client, body=body)
            assert Note.objects.get(pk=note.pk).body == body
            transaction.set_rollback(True)

    def introspect(self):
        assert {"books", "notes"} <= set(connection.introspection.table_names())

    def fate(self, book):
        self.read_book(book)
        with connection.cursor() as cursor:
            cursor.execute("SHOW overdrive.status")
            status = cursor.fetchone()[0]
            cursor.execute("SHOW overdrive.reason")
            return status, cursor.fetchone()[0]


scenario.run(django.__version__, Client)
