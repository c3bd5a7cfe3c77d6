"""SQLAlchemy's ORM over psycopg 3, as its page "ORM Quick Start" shows it: one Engine with its pool, a Session for each piece of
work."""

import datetime
from decimal import Decimal

import sqlalchemy
from sqlalchemy import create_engine, func, inspect, select, text
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import scenario


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    price: Mapped[Decimal]
    mood: Mapped[str] = mapped_column(ENUM("sad", "ok", "happy", name="mood", create_type=False))
    tags: Mapped[list[str]] = mapped_column(ARRAY(sqlalchemy.Text))
    extra: Mapped[dict] = mapped_column(JSONB)
    published: Mapped[datetime.datetime] = mapped_column(sqlalchemy.DateTime(timezone=True))


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(sqlalchemy.BigInteger, primary_key=True)
    client: Mapped[int]
    body: Mapped[str]


class Client:
    def __init__(self, engine):
        self.engine = engine

    def read_book(self, book):
        with Session(self.engine) as session:
            return session.execute(select(Book.title, Book.price).where(Book.id == book)).one()

    def read_details(self, book):
        with Session(self.engine) as session:
            found = session.get(Book, book)
            return found.mood, found.tags, found.extra["pages"], found.published.year

    def add_note(self, client, body):
        with Session(self.engine) as session:
            note = Note(client=client, body=body)
            session.add(note)
            session.commit()
            return note.id

    def read_note(self, note):
        with Session(self.engine) as session:
            return session.get(Note, note).body

    def change_note(self, note, body):
        with Session(self.engine) as session:
            session.get(Note, note).body = body
            session.commit()

    def count_notes(self, client):
        with Session(self.engine) as session:
            return session.scalar(select(func.count()).select_from(Note).where(Note.client == client))

    def take_back(self, client, body):
        with Session(self.engine) as session:
            note = Note(client=client, body=body)
            session.add(note)
            session.flush()
            assert session.scalars(select(Note.body).where(Note.id == note.id)).one() == body
            session.rollback()

    def introspect(self):
        inspector = inspect(self.engine)
        assert set(inspector.get_table_names()) >= {"books", "notes"}
        assert len(inspector.get_columns("books")) == 7

    def fate(self, book):
        with Session(self.engine) as session:
            session.execute(select(Book.title, Book.price).where(Book.id == book)).one()
            return session.scalar(text("SHOW overdrive.status")), session.scalar(text("SHOW overdrive.reason"))


engine = create_engine(
    sqlalchemy.URL.create(
        "postgresql+psycopg", scenario.USER, scenario.PASSWORD, scenario.HOST, scenario.PORT, scenario.DATABASE,
        {"sslmode": "verify-full", "sslrootcert": scenario.CA},
    )
)
scenario.run(sqlalchemy.__version__, lambda _number: Client(engine))
