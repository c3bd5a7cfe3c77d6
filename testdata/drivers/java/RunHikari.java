import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.List;

/** pgjdbc in HikariCP's pool, as their pages show it. With an argument, transactions are SERIALIZABLE by JDBC's own method. */
final class RunHikari implements Scenario.Client {
    private static final String BOOK = "SELECT title, price FROM books WHERE id = ?";

    private final HikariDataSource pool;
    private final boolean isolates;

    private RunHikari(HikariDataSource pool, boolean isolates) {
        this.pool = pool;
        this.isolates = isolates;
    }

    public static void main(String[] args) throws Exception {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(Scenario.URL);
        config.setUsername(Scenario.USER);
        config.setPassword(Scenario.PASSWORD);
        try (HikariDataSource pool = new HikariDataSource(config)) {
            String version = Scenario.versionOf(org.postgresql.Driver.class) + ", " + Scenario.versionOf(HikariDataSource.class);
            Scenario.run(version, () -> new RunHikari(pool, args.length > 0));
        }
    }

    private interface Reader<T> {
        T read(ResultSet row) throws SQLException;
    }

    private static <T> T one(Connection connection, Reader<T> reader, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                return reader.read(rows);
            }
        }
    }

    private <T> T one(Reader<T> reader, String sql, Object... values) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return one(connection, reader, sql, values);
        }
    }

    public Scenario.Book readBook(int id) throws SQLException {
        return one(row -> new Scenario.Book(row.getString(1), row.getDouble(2)), BOOK, id);
    }

    public Scenario.Details readDetails(int id) throws SQLException {
        return one(row -> new Scenario.Details(row.getString(1), List.of((String[]) row.getArray(2).getArray()),
                Integer.parseInt(row.getString(3).replaceAll("\\D", "")), row.getObject(4, OffsetDateTime.class)), "SELECT mood, tags, extra, published FROM books WHERE id = ?", id);
    }

    private static long addNote(Connection connection, int client, String body) throws SQLException {
        String sql = "INSERT INTO notes (client, body) VALUES (?, ?)";
        try (PreparedStatement statement = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            statement.setInt(1, client);
            statement.setString(2, body);
            statement.executeUpdate();
            try (ResultSet keys = statement.getGeneratedKeys()) {
                keys.next();
                return keys.getLong("id");
            }
        }
    }

    public long addNote(int client, String body) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            return addNote(connection, client, body);
        }
    }

    public String readNote(long id) throws SQLException {
        return one(row -> row.getString(1), "SELECT body FROM notes WHERE id = ?", id);
    }

    public void changeNote(long id, String body) throws SQLException {
        try (Connection connection = pool.getConnection();
                PreparedStatement statement = connection.prepareStatement("UPDATE notes SET body = ? WHERE id = ?")) {
            statement.setString(1, body);
            statement.setLong(2, id);
            statement.executeUpdate();
        }
    }

    public long countNotes(int client) throws SQLException {
        return one(row -> row.getLong(1), "SELECT count(*) FROM notes WHERE client = ?", client);
    }

    /** The pool sets the connection's isolation back when it is returned. */
    public void takeBack(int client, String body) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            if (isolates) {
                connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            }
            connection.setAutoCommit(false);
            long note = addNote(connection, client, body);
            if (!body.equals(one(connection, row -> row.getString(1), "SELECT body FROM notes WHERE id = ?", note))) {
                throw new AssertionError("not read in its transaction");
            }
            connection.rollback();
        }
    }

    public void introspect() throws SQLException {
        try (Connection connection = pool.getConnection();
                ResultSet columns = connection.getMetaData().getColumns(null, "public", "books", "%")) {
            int n = 0;
            while (columns.next()) {
                n++;
            }
            if (n != 7) {
                throw new AssertionError("books has " + n + " columns");
            }
        }
    }

    public Scenario.Fate fate(int id) throws SQLException {
        try (Connection connection = pool.getConnection()) {
            one(connection, row -> row.getString(1), BOOK, id);
            String status = one(connection, row -> row.getString(1), "SHOW overdrive.status");
            return new Scenario.Fate(status, one(connection, row -> row.getString(1), "SHOW overdrive.reason"));
        }
    }
}
