package admin_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"overdrive/proxy/admin"
)

// socketColumns are those of SHOW CLIENTS and SERVERS in PgBouncer.
const socketColumns = "type:s user:s database:s replication:s state:s addr:s port:i local_addr:s local_port:i connect_time:s request_time:s wait:i " +
	"wait_us:i close_needed:i ptr:s link:s remote_pid:i tls:s application_name:s prepared_statements:i id:q"

// bouncer has the columns of PgBouncer 1.25 in their order, with their types: s text, i int4, q int8, n numeric. What follows "+" is ours.
// Where int4 would not do we have an int8: the sizes of SHOW MEM, and every id.
var bouncer = map[string]string{
	"SHOW POOLS": "database:s user:s cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i sv_active_cancel:i " +
		"sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i maxwait_us:i pool_mode:s load_balance_hosts:s + cl_pinned:q",
	"SHOW STATS": "database:s total_server_assignment_count:n total_xact_count:n total_query_count:n total_received:n total_sent:n " +
		"total_xact_time:n total_query_time:n total_wait_time:n total_client_parse_count:n total_server_parse_count:n total_bind_count:n " +
		"avg_server_assignment_count:n avg_xact_count:n avg_query_count:n avg_recv:n avg_sent:n avg_xact_time:n avg_query_time:n " +
		"avg_wait_time:n avg_client_parse_count:n avg_server_parse_count:n avg_bind_count:n " +
		"+ total_wait_count:q total_wait_timeout_count:q total_login_count:q total_login_failure_count:q total_pinned_wait_count:q",
	"SHOW STATS_TOTALS": "database:s server_assignment_count:n xact_count:n query_count:n bytes_received:n bytes_sent:n xact_time:n " +
		"query_time:n wait_time:n client_parse_count:n server_parse_count:n bind_count:n",
	"SHOW STATS_AVERAGES": "database:s server_assignment_count:n xact_count:n query_count:n bytes_received:n bytes_sent:n xact_time:n " +
		"query_time:n wait_time:n avg_client_parse_count:n avg_server_parse_count:n avg_bind_count:n",
	"SHOW TOTALS":         "name:s value:n",
	"SHOW CLIENTS":        socketColumns + " + server_pid:q pinned:s",
	"SHOW SERVERS":        socketColumns,
	"SHOW SOCKETS":        socketColumns + " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i",
	"SHOW ACTIVE_SOCKETS": socketColumns + " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i",
	"SHOW DATABASES": "name:s host:s port:i database:s force_user:s pool_size:i min_pool_size:i reserve_pool_size:i server_lifetime:i " +
		"pool_mode:s load_balance_hosts:s max_connections:i current_connections:i max_client_connections:i current_client_connections:i " +
		"paused:i disabled:i + caching:s",
	"SHOW USERS": "name:s pool_size:s reserve_pool_size:s pool_mode:s max_user_connections:i current_connections:i " +
		"max_user_client_connections:i current_client_connections:i",
	"SHOW LISTS":      "list:s items:i",
	"SHOW CONFIG":     "key:s value:s default:s changeable:s",
	"SHOW MEM":        "name:s size:q used:q free:q memtotal:q",
	"SHOW STATE":      "key:s value:s",
	"SHOW PEERS":      "peer_id:i host:s port:i pool_size:i",
	"SHOW PEER_POOLS": "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i",
	"SHOW DNS_HOSTS":  "hostname:s ttl:q addrs:s",
	"SHOW DNS_ZONES":  "zonename:s serial:q count:i",
	"SHOW VERSION":    "version:s",
}

func TestConsole_HasPgBouncersColumns(t *testing.T) {
	letters := map[uint32]string{25: "s", 23: "i", 20: "q", 1700: "n"}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
		conn := startConsole(t).login("watch", mode)
		for sql, columns := range bouncer {
			rows, err := conn.Query(t.Context(), sql)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			var got []string
			for _, f := range rows.FieldDescriptions() {
				got = append(got, f.Name+":"+letters[f.DataTypeOID])
			}
			if want := strings.Fields(strings.Replace(columns, "+ ", "", 1)); !slices.Equal(got, want) {
				t.Errorf("%s\n got %v\nwant %v", sql, got, want)
			}
			for rows.Next() { // each value is of its column's type, in text and in binary
				if _, err := rows.Values(); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
			if rows.Err() != nil {
				t.Errorf("%s: %v", sql, rows.Err())
			}
		}
	}
}

// row returns the row of an answer, which must be the only one, or the one with the key in its first column.
func row(t *testing.T, conn *pgx.Conn, sql string, key ...string) map[string]any {
	t.Helper()
	rows := ask(t, conn, sql)
	for _, r := range rows {
		if len(key) == 0 && len(rows) == 1 {
			return r
		}
		for _, column := range []string{"database", "name", "list", "key", "type"} {
			if len(key) > 0 && r[column] == key[0] {
				return r
			}
		}
	}
	t.Fatalf("%s %v: got %v", sql, key, rows)
	return nil
}

// wantRow compares what is said of a row with its values.
func wantRow(t *testing.T, what string, row map[string]any, want string) {
	t.Helper()
	for _, pair := range strings.Fields(want) {
		column, value, _ := strings.Cut(pair, "=")
		got, known := row[column]
		if n, isNumeric := got.(pgtype.Numeric); isNumeric {
			whole, err := n.Int64Value()
			if err != nil {
				t.Errorf("%s: %s: %v", what, column, err)
			}
			got = whole.Int64
		}
		if !known || strings.ReplaceAll(fmt.Sprint(got), " ", "_") != value {
			t.Errorf("%s: %s is %v, want %s", what, column, got, value)
		}
	}
}

func TestConsole_ShowsWhatPgBouncerShows(t *testing.T) {
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
		conn := startConsole(t).login("watch", mode)
		for _, c := range []struct{ sql, key, want string }{
			{"SHOW POOLS", "shop", "cl_active=4 cl_waiting=1 cl_active_cancel_req=1 sv_active=2 sv_active_cancel=1 sv_idle=1 sv_used=0 maxwait=2 maxwait_us=500000"},
			{"SHOW STATS", "shop", "total_server_assignment_count=9 total_wait_time=1000000 avg_wait_time=111111 total_wait_count=2 " +
				"total_xact_count=7 total_query_count=40 total_received=8589934592 total_sent=700 total_xact_time=10000 total_query_time=20000 " +
				"avg_xact_time=1428 avg_query_time=500 total_bind_count=0"},
			{"SHOW STATS", "lab", "total_server_assignment_count=0 total_wait_time=0 avg_wait_time=0"},
			{"SHOW STATS_TOTALS", "shop", "server_assignment_count=9 wait_time=1000000 bytes_received=8589934592 query_count=40"},
			{"SHOW STATS_AVERAGES", "shop", "wait_time=111111"},
			{"SHOW TOTALS", "total_wait_time", "value=1000000"},
			{"SHOW TOTALS", "avg_wait_time", "value=111111"},
			{"SHOW CLIENTS", "shop", "type=C user=app state=active addr=10.0.0.1 port=5 local_addr=10.0.0.2 local_port=6432 " +
				"connect_time=2026-03-01_12:00:05_UTC request_time=<nil> wait=0 ptr=0x7 link=0x9 remote_pid=0 tls=TLS_1.3/X application_name=web " +
				"prepared_statements=2 id=7 server_pid=4711 pinned=temporary_table"},
			{"SHOW CLIENTS", "lab", "state=waiting addr=unix port=0 local_addr=<nil> connect_time=<nil> wait=1 wait_us=500000 link= tls= id=8"},
			{"SHOW SERVERS", "shop", "type=S user=app replication=none state=active addr=fd00::1 port=5432 local_port=40000 request_time=2026-03-01_13:00:05_UTC close_needed=1 ptr=0x9 link=0x7 " +
				"remote_pid=4711 application_name=web prepared_statements=3 id=9"},
			{"SHOW SOCKETS", "S", "state=sv_active pkt_remain=4 pkt_avail=3 send_avail=0"},
			{"SHOW SOCKETS", "lab", "state=cl_waiting send_avail=12"},
			{"SHOW DATABASES", "shop", "host=db port=5432 force_user=<nil> pool_size=20 server_lifetime=3600 max_connections=0 current_connections=3 " +
				"current_client_connections=5 paused=1 disabled=0 caching=on"},
			{"SHOW USERS", "app", "pool_size=<nil> current_connections=3 current_client_connections=1"},
			{"SHOW USERS", "eve", "current_connections=0 current_client_connections=1"},
			{"SHOW USERS", "nobody", "current_client_connections=0"},
			{"SHOW LISTS", "databases", "items=2"},
			{"SHOW LISTS", "users", "items=3"},
			{"SHOW LISTS", "used_clients", "items=5"},
			{"SHOW LISTS", "login_clients", "items=6"},
			{"SHOW LISTS", "used_servers", "items=3"},
			{"SHOW LISTS", "console_clients", "items=1"},
			{"SHOW CONFIG", "limits.max_clients", "value=900 default=1000 changeable=yes"},
			{"SHOW CONFIG", "max_client_conn", "value=900"},
			{"SHOW MEM", "cache", "size=1 used=8589934592 free=4294967296 memtotal=12884901888"},
			{"SHOW STATE", "paused", "value=yes"},
			{"SHOW STATE", "active", "value=no"},
			{"SHOW VERSION", "", "version=Overdrive_1.2.3"},
		} {
			key := []string{c.key}
			if c.key == "" {
				key = nil
			}
			wantRow(t, c.sql+" "+c.key, row(t, conn, c.sql, key...), c.want)
		}
		if active := ask(t, conn, "SHOW ACTIVE_SOCKETS"); len(active) != 2 {
			t.Errorf("active sockets: got %v, want the server's and the second client's", active)
		}
		for _, sql := range []string{"SHOW PEERS", "SHOW PEER_POOLS", "SHOW DNS_HOSTS", "SHOW DNS_ZONES"} {
			if rows := ask(t, conn, sql); len(rows) != 0 {
				t.Errorf("%s: got %v", sql, rows)
			}
		}
		if heap := row(t, conn, "SHOW MEM", "go_heap"); heap["used"].(int64) < 1<<10 {
			t.Errorf("heap: got %v", heap)
		}
		wantCode(t, conn, "SHOW FDS", "0A000", "SHOW SOCKETS")
		help := ask(t, conn, "SHOW HELP")
		equal(t, "help", columnOf(help, "command")[:1], "SHOW CACHE [DATABASE name]")
		equal(t, "privilege", columnOf(help, "privilege")[:1], "own")
	}
}

// Averages are over the time since the counters were looked at a minute or more ago.
func TestConsole_AveragesAreOfTheLatestMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeProxy{acquires: 100}
		c := admin.New(admin.Options{Admins: []string{"root"}})
		c.Attach(f)
		w := dialWire(t, c)
		w.want("a login", "RKZ")
		want := func(after time.Duration, acquires uint64, avg string) {
			t.Helper()
			time.Sleep(after)
			f.acquires += acquires
			if got := w.cell("SHOW STATS_AVERAGES", 1, 1); got != avg {
				t.Errorf("%v later: %s a second, want %s", after, got, avg)
			}
		}
		want(10*time.Second, 0, "10")   // 100 in 10 s
		want(50*time.Second, 500, "10") // 600 in 60 s
		want(30*time.Second, 0, "6")    // 600 in 90 s
		want(30*time.Second, 600, "10") // 600 in the 60 s since the second time
		want(30*time.Second, 0, "6")    // 600 in 90 s
		want(30*time.Second, 0, "0")
	})
}

// The exporter of Prometheus's community asks this, and needs these columns by these names: a column that it looks for and does not find
// is a metric that is missing. https://github.com/prometheus-community/pgbouncer_exporter, collector.go
func TestConsole_SatisfiesThePrometheusExporter(t *testing.T) {
	labels := "database user name host port force_user pool_mode"
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeDescribeExec} {
		conn := startConsole(t).login("watch", mode)
		ask(t, conn, "SHOW STATS") // by which it pings
		for namespace, columns := range map[string]string{
			"databases": "name host port database force_user pool_size pool_mode max_connections current_connections paused disabled",
			"stats_totals": "database query_count query_time bytes_received bytes_sent wait_time xact_count xact_time client_parse_count " +
				"server_parse_count bind_count",
			"pools": "database user cl_active cl_active_cancel_req cl_waiting cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled " +
				"sv_idle sv_used sv_tested sv_login maxwait",
		} {
			rows := ask(t, conn, "SHOW "+namespace+";")
			if len(rows) == 0 {
				t.Fatalf("%s: no rows", namespace)
			}
			for _, column := range strings.Fields(columns) {
				value, found := rows[0][column]
				switch value.(type) {
				case int64, int32, float64, pgtype.Numeric:
				default:
					if !slices.Contains(strings.Fields(labels), column) || !found {
						t.Errorf("%s: %s is %T", namespace, column, value)
					}
				}
			}
		}
		lists := columnOf(ask(t, conn, "SHOW LISTS;"), "list")
		for _, list := range strings.Fields("databases users pools free_clients used_clients login_clients free_servers used_servers dns_names dns_zones dns_queries") {
			if !slices.Contains(lists, any(list)) {
				t.Errorf("lists: %s is missing", list)
			}
		}
		for _, key := range []string{"max_client_conn", "max_user_connections"} {
			var n int
			if _, err := fmt.Sscan(row(t, conn, "SHOW CONFIG;", key)["value"].(string), &n); err != nil {
				t.Errorf("config: %s: %v", key, err)
			}
		}
		if version := row(t, conn, "SHOW VERSION;")["version"].(string); !strings.Contains(version, " ") {
			t.Errorf("version: %q", version)
		}
	}
}

func TestConsole_AnswersPsql(t *testing.T) {
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("there is no psql")
	}
	c := startConsole(t)
	host, port, _ := strings.Cut(c.address, ":")
	for _, command := range []string{"show servers", "SHOW STATS;", "pause shop", "resume", "SET log.level = 'debug'", "show mem;"} {
		run := exec.Command(psql, "-h", host, "-p", port, "-U", "root", "-d", "pgbouncer", "-v", "ON_ERROR_STOP=1", "-Atc", command)
		run.Env = append(os.Environ(), "PGSSLMODE=disable", "PGGSSENCMODE=disable")
		if out, err := run.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
}
