<?php
// PDO, as the PHP manual shows it. PHP has no threads, so each client is a process with a connection of its own. With an argument,
// the id of a new row is asked for by PDO::lastInsertId, which is a statement of its own: SELECT currval(…). It stands in the INSERT's transaction then.

declare(strict_types=1);

const READS = 40;
const DETAILS = 10;
const WRITES = 5;
define('LAST_INSERT_ID', $argc > 1);

final class Client
{
    private PDO $db;
    private PDOStatement $book; // prepared once, run many times

    public function __construct()
    {
        $dsn = sprintf(
            'pgsql:host=%s;port=%s;dbname=%s;sslmode=verify-full;sslrootcert=%s',
            getenv('DRIVERS_HOST'),
            getenv('DRIVERS_PORT'),
            getenv('DRIVERS_DATABASE'),
            getenv('DRIVERS_CA'),
        );
        $this->db = new PDO($dsn, getenv('DRIVERS_USER'), getenv('DRIVERS_PASSWORD'));
        $this->book = $this->db->prepare('SELECT title, price FROM books WHERE id = :id');
    }

    private function one(string $sql, array $values = []): array
    {
        $statement = $this->db->prepare($sql);
        $statement->execute($values);
        return $statement->fetch(PDO::FETCH_NUM);
    }

    public function readBook(int $id): array
    {
        $this->book->execute(['id' => $id]);
        return $this->book->fetch(PDO::FETCH_NUM);
    }

    public function readDetails(int $id): array
    {
        return $this->one('SELECT mood, tags, extra, published FROM books WHERE id = ?', [$id]);
    }

    public function addNote(int $client, string $body): int
    {
        $insert = 'INSERT INTO notes (client, body) VALUES (?, ?)';
        if (!LAST_INSERT_ID) {
            return $this->one("$insert RETURNING id", [$client, $body])[0];
        }
        $alone = !$this->db->inTransaction() && $this->db->beginTransaction(); // the number belongs to a server connection
        $this->db->prepare($insert)->execute([$client, $body]);
        $id = (int) $this->db->lastInsertId('notes_id_seq');
        if ($alone) {
            $this->db->commit();
        }
        return $id;
    }

    public function readNote(int $id): string
    {
        return $this->one('SELECT body FROM notes WHERE id = ?', [$id])[0];
    }

    public function changeNote(int $id, string $body): void
    {
        $this->db->prepare('UPDATE notes SET body = ? WHERE id = ?')->execute([$body, $id]);
    }

    public function countNotes(int $client): int
    {
        return $this->one('SELECT count(*) FROM notes WHERE client = ?', [$client])[0];
    }

    // takeBack adds a note in a transaction, reads it there, and rolls back.
    public function takeBack(int $client, string $body): void
    {
        $this->db->beginTransaction();
        if ($this->readNote($this->addNote($client, $body)) !== $body) {
            throw new RuntimeException('not read in its transaction');
        }
        $this->db->rollBack();
    }

    // fate reads the book and asks the proxy what became of that.
    public function fate(int $id): array
    {
        $this->readBook($id);
        return [$this->one('SHOW overdrive.status')[0], $this->one('SHOW overdrive.reason')[0]];
    }
}

function read(Client $client, array &$seen): void
{
    for ($i = 0; $i < READS; $i++) {
        $id = $i % 5 + 1;
        [$title, $price] = $client->readBook($id);
        if ($title !== "Book $id" || (float) $price !== $id + 0.5) {
            throw new RuntimeException("book $id is $title at $price");
        }
    }
    for ($i = 0; $i < DETAILS; $i++) {
        $id = $i % 5 + 1;
        $right = ['happy', '{paper,signed}', '{"pages": ' . (100 + $id) . '}', '2020-06-01 12:00:00+00'];
        $seen['types_read'] = $seen['types_read'] && $client->readDetails($id) === $right;
    }
}

function count_write(array &$seen, bool $wasRead): void
{
    $seen['writes']++;
    $seen['own_writes_read'] += (int) $wasRead;
}

function visit(int $number, array &$seen): Client
{
    $client = new Client();
    read($client, $seen);
    for ($i = 0; $i < WRITES; $i++) {
        $before = $client->countNotes($number);
        $note = $client->addNote($number, "new $i");
        count_write($seen, $client->readNote($note) === "new $i");
        count_write($seen, $client->countNotes($number) === $before + 1);
        $client->changeNote($note, "changed $i");
        count_write($seen, $client->readNote($note) === "changed $i");
    }
    $before = $client->countNotes($number);
    $client->takeBack($number, 'never');
    $seen['rollback_undone'] = $client->countNotes($number) === $before;
    read($client, $seen);
    [$seen['status'], $seen['reason']] = $client->fate(1);
    $seen['served'] = true;
    return $client;
}

// work is one process: it writes what it saw as a line, and keeps its connection until its standard input ends.
function work(int $number, $out): never
{
    $seen = ['served' => false, 'writes' => 0, 'own_writes_read' => 0, 'rollback_undone' => false, 'types_read' => true];
    try {
        $client = visit($number, $seen);
    } catch (Throwable $error) {
        $seen['error'] = get_class($error) . ' ' . $error->getMessage();
    }
    fwrite($out, json_encode($seen) . "\n");
    fclose($out);
    stream_get_contents(STDIN);
    exit(0);
}

$pipes = [];
for ($number = 0; $number < (int) getenv('DRIVERS_CLIENTS'); $number++) {
    [$ours, $theirs] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
    if (pcntl_fork() === 0) {
        work($number, $theirs);
    }
    fclose($theirs);
    $pipes[] = $ours;
}
$clients = array_map(fn ($pipe) => json_decode(trim(stream_get_contents($pipe))), $pipes);
echo json_encode(['version' => PHP_VERSION, 'clients' => $clients]), "\n";
stream_get_contents(STDIN);
