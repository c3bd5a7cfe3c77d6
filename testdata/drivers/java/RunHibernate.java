import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.EnumType;
import jakarta.persistence.Enumerated;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.math.BigDecimal;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import org.hibernate.Hibernate;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.annotations.JdbcTypeCode;
import org.hibernate.cfg.Configuration;
import org.hibernate.type.SqlTypes;

/** Hibernate over HikariCP and pgjdbc, as its guides show it: a session and a transaction for each piece of work. */
final class RunHibernate implements Scenario.Client {
    enum Mood { sad, ok, happy }

    @Entity
    @Table(name = "books")
    static class Book {
        @Id int id;
        String title;
        BigDecimal price;
        @Enumerated(EnumType.STRING) @JdbcTypeCode(SqlTypes.NAMED_ENUM) Mood mood;
        @JdbcTypeCode(SqlTypes.ARRAY) @Column(columnDefinition = "text[]") List<String> tags;
        @JdbcTypeCode(SqlTypes.JSON) @Column(columnDefinition = "jsonb") Map<String, Integer> extra;
        OffsetDateTime published;
    }

    @Entity
    @Table(name = "notes")
    static class Note {
        @Id @GeneratedValue(strategy = GenerationType.IDENTITY) Long id;
        int client;
        String body;
    }

    private final SessionFactory factory;

    private RunHibernate(SessionFactory factory) {
        this.factory = factory;
    }

    public static void main(String[] args) throws Exception {
        Configuration configuration = new Configuration().addAnnotatedClass(Book.class).addAnnotatedClass(Note.class)
                .setProperty("hibernate.connection.url", Scenario.URL)
                .setProperty("hibernate.connection.username", Scenario.USER)
                .setProperty("hibernate.connection.password", Scenario.PASSWORD)
                .setProperty("hibernate.connection.provider_class", "hikari");
        try (SessionFactory factory = configuration.buildSessionFactory()) {
            Scenario.run(Scenario.versionOf(Hibernate.class), () -> new RunHibernate(factory));
        }
    }

    private static Scenario.Book readBook(Session session, int id) {
        Object[] row = session.createSelectionQuery("select title, price from RunHibernate$Book where id = :id", Object[].class)
                .setParameter("id", id).getSingleResult();
        return new Scenario.Book((String) row[0], ((BigDecimal) row[1]).doubleValue());
    }

    public Scenario.Book readBook(int id) {
        return factory.fromTransaction(session -> readBook(session, id));
    }

    public Scenario.Details readDetails(int id) {
        return factory.fromTransaction(session -> {
            Book book = session.find(Book.class, id);
            return new Scenario.Details(book.mood.name(), book.tags, book.extra.get("pages"), book.published);
        });
    }

    private static Note note(int client, String body) {
        Note note = new Note();
        note.client = client;
        note.body = body;
        return note;
    }

    public long addNote(int client, String body) {
        Note note = note(client, body);
        factory.inTransaction(session -> session.persist(note));
        return note.id;
    }

    public String readNote(long id) {
        return factory.fromTransaction(session -> session.find(Note.class, id).body);
    }

    public void changeNote(long id, String body) {
        factory.inTransaction(session -> session.find(Note.class, id).body = body);
    }

    public long countNotes(int client) {
        return factory.fromTransaction(session -> session
                .createSelectionQuery("select count(*) from RunHibernate$Note where client = :client", Long.class)
                .setParameter("client", client).getSingleResult());
    }

    public void takeBack(int client, String body) {
        try (Session session = factory.openSession()) {
            var transaction = session.beginTransaction();
            Note note = note(client, body);
            session.persist(note);
            session.flush();
            session.refresh(note);
            if (!note.body.equals(body)) {
                throw new AssertionError("not read in its transaction");
            }
            transaction.rollback();
        }
    }

    /** Building the factory asks what the database can do. */
    public void introspect() {}

    public Scenario.Fate fate(int id) {
        return factory.fromTransaction(session -> {
            readBook(session, id);
            String status = session.createNativeQuery("SHOW overdrive.status", String.class).getSingleResult();
            return new Scenario.Fate(status, session.createNativeQuery("SHOW overdrive.reason", String.class).getSingleResult());
        });
    }
}
