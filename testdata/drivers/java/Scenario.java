import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** What each client of each Java program does with its driver. */
final class Scenario {
    static final String HOST = System.getenv("DRIVERS_HOST");
    static final String USER = System.getenv("DRIVERS_USER");
    static final String PASSWORD = System.getenv("DRIVERS_PASSWORD");
    static final String URL = "jdbc:postgresql://" + HOST + ":" + System.getenv("DRIVERS_PORT") + "/" + System.getenv("DRIVERS_DATABASE")
            + "?sslmode=verify-full&sslrootcert=" + System.getenv("DRIVERS_CA");

    private static final int READS = 40, DETAILS = 10, WRITES = 5;

    record Book(String title, double price) {}

    record Details(String mood, List<String> tags, int pages, OffsetDateTime published) {}

    record Fate(String status, String reason) {}

    /** A client uses a driver. */
    interface Client {
        Book readBook(int id) throws Exception;

        Details readDetails(int id) throws Exception;

        long addNote(int client, String body) throws Exception;

        String readNote(long id) throws Exception;

        void changeNote(long id, String body) throws Exception;

        long countNotes(int client) throws Exception;

        /** Adds a note in a transaction, reads it there, and rolls back. */
        void takeBack(int client, String body) throws Exception;

        /** What the framework asks of the catalog, if it does. */
        void introspect() throws Exception;

        /** Reads the book and, as the same session, asks the proxy what became of that. */
        Fate fate(int id) throws Exception;
    }

    private int writes, ownWritesRead;
    private boolean served, rollbackUndone, typesRead = true;
    private Fate fate = new Fate("", "");
    private String error = "";

    private void visit(Client client, int number) {
        try {
            client.introspect();
            read(client);
            for (int i = 0; i < WRITES; i++) {
                write(client, number, i);
            }
            long before = client.countNotes(number);
            client.takeBack(number, "never");
            rollbackUndone = client.countNotes(number) == before;
            read(client);
            fate = client.fate(1);
            served = true;
        } catch (Exception | Error e) {
            e.printStackTrace();
            error = describe(e);
        }
    }

    private void read(Client client) throws Exception {
        for (int i = 0; i < READS; i++) {
            int id = i % 5 + 1;
            Book book = client.readBook(id);
            if (!book.title().equals("Book " + id) || book.price() != id + 0.5) {
                throw new AssertionError("book " + id + " is " + book);
            }
        }
        for (int i = 0; i < DETAILS; i++) {
            int id = i % 5 + 1;
            Details d = client.readDetails(id);
            typesRead &= d.mood().equals("happy") && d.tags().equals(List.of("paper", "signed"))
                    && d.pages() == 100 + id && d.published().isEqual(OffsetDateTime.parse("2020-06-01T12:00Z"));
        }
    }

    private void write(Client client, int number, int i) throws Exception {
        long before = client.countNotes(number);
        long note = client.addNote(number, "new " + i);
        count(client.readNote(note).equals("new " + i));
        count(client.countNotes(number) == before + 1);
        client.changeNote(note, "changed " + i);
        count(client.readNote(note).equals("changed " + i));
    }

    private void count(boolean wasRead) {
        writes++;
        ownWritesRead += wasRead ? 1 : 0;
    }

    private static String describe(Throwable e) {
        Throwable deepest = e;
        while (deepest.getCause() != null) {
            deepest = deepest.getCause();
        }
        String state = deepest instanceof java.sql.SQLException sql ? sql.getSQLState() + ": " : "";
        return state + e.getClass().getSimpleName() + ": " + deepest.getMessage();
    }

    /** Runs the clients, each in a thread, prints what they saw, and keeps their connections until the runner has looked at them. */
    static void run(String version, Callable<Client> connect) throws Exception {
        Scenario[] seen = new Scenario[Integer.parseInt(System.getenv("DRIVERS_CLIENTS"))];
        List<Thread> threads = new ArrayList<>();
        for (int n = 0; n < seen.length; n++) {
            int number = n;
            Scenario mine = seen[number] = new Scenario();
            threads.add(new Thread(() -> {
                try {
                    mine.visit(connect.call(), number);
                } catch (Exception e) {
                    mine.error = describe(e);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        List<String> clients = new ArrayList<>();
        for (Scenario s : seen) {
            clients.add(s.json());
        }
        System.out.println("{\"version\":" + quote(version) + ",\"clients\":[" + String.join(",", clients) + "]}");
        System.in.readAllBytes();
    }

    private String json() {
        return "{\"served\":" + served + ",\"writes\":" + writes + ",\"own_writes_read\":" + ownWritesRead + ",\"rollback_undone\":"
                + rollbackUndone + ",\"types_read\":" + typesRead + ",\"status\":" + quote(fate.status()) + ",\"reason\":"
                + quote(fate.reason()) + ",\"error\":" + quote(error) + "}";
    }

    private static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : String.valueOf(text).toCharArray()) {
            if (c == '"' || c == '\\') {
                quoted.append('\\');
            }
            quoted.append(c < ' ' ? ' ' : c);
        }
        return quoted.append('"').toString();
    }

    /** The version in the name of a class's jar, as Maven wrote it. */
    static String versionOf(Class<?> type) throws Exception {
        String jar = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI()).getFileName().toString();
        return jar.replaceFirst("^.*?-(\\d.*)\\.jar$", "$1");
    }

    private Scenario() {}
}
