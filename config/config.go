package config

import "time"

// Config is everything the program can be told. The tag of a field is its key. What each key means, and its default, is
// in docs/configuration.md, and a test holds that page to these structs.
type Config struct {
	Listen    []string            `key:"listen"` // host:port, or the directory of a Unix socket
	HTTP      string              `key:"http"`   // empty turns the HTTP side off
	Log       Log                 `key:"log"`
	Traces    Traces              `key:"traces"`
	Loops     int                 `key:"loops"` // 0 means one per processor
	Auth      Auth                `key:"auth"`
	TLS       TLS                 `key:"tls"`
	Limits    Limits              `key:"limits"`
	Cache     Cache               `key:"cache"`
	Admin     Admin               `key:"admin"`
	Databases map[string]Database `key:"databases"` // by the name clients connect to

	secretFiles []string // that variables of the file named
}

// Log says what is logged and how.
type Log struct {
	Level  string `key:"level"`  // debug, info, warn or error
	Format string `key:"format"` // text or json
	// SlowStatement is from when on a batch of statements is told of. 0: none is.
	SlowStatement Duration `key:"slow_statement"`
}

// Traces says where spans go to, by OTLP over HTTP, and how many.
type Traces struct {
	Endpoint string `key:"endpoint"` // http://host:port or https://host:port; empty: there are none
	// Sample is the share of statements that are traced, of those whose client says nothing of a trace of its own.
	Sample Share `key:"sample"`
}

// Auth says how clients prove who they are.
type Auth struct {
	Method AuthMethod        `key:"method"`
	Users  map[string]Secret `key:"users"` // after Load also those of UsersFile
	// UsersFile is a file in userlist.txt form: a quoted name and a quoted secret per line.
	UsersFile string `key:"users_file"`
}

// TLS is the clients' side of TLS. File names are absolute or relative to the working directory after Load.
type TLS struct {
	Mode         TLSMode `key:"mode"`
	CertFile     string  `key:"cert_file"`
	KeyFile      string  `key:"key_file"`
	ClientCAFile string  `key:"client_ca_file"`
}

// Limits bounds what clients may take.
type Limits struct {
	MaxClients          int      `key:"max_clients"`
	MaxMessage          Size     `key:"max_message"`
	MaxPrepared         Size     `key:"max_prepared_bytes"`
	LoginTimeout        Duration `key:"login_timeout"`
	MaxLoginsPerAddress int      `key:"max_logins_per_address"` // 0: no limit
	ShutdownTimeout     Duration `key:"shutdown_timeout"`
}

// Cache is the budget that all databases share.
type Cache struct {
	Memory Size `key:"memory"`
}

// Admin says who may do what on the administration's console, besides what everybody may do there for the databases that
// they may log in to.
type Admin struct {
	Users      []string `key:"users"`       // may do everything
	StatsUsers []string `key:"stats_users"` // may see everything
}

// Database is one name that clients can connect to.
type Database struct {
	URL   ConnectionString `key:"url"`
	Users []string         `key:"users"` // further names that may log in when URL names a user
	Pool  Pool             `key:"pool"`
	Cache DatabaseCache    `key:"cache"`

	// Upstream is URL taken apart. Load fills it in.
	Upstream Upstream
}

// Pool bounds the server connections of one database and user. Zero turns a time off.
type Pool struct {
	Mode        PoolMode `key:"mode"`
	Size        int      `key:"size"`
	MinIdle     int      `key:"min_idle"`
	WaitTimeout Duration `key:"wait_timeout"`
	IdleTimeout Duration `key:"idle_timeout"`
	MaxLifetime Duration `key:"max_lifetime"`
	OnPin       OnPin    `key:"on_pin"`
}

// DatabaseCache says what is cached for one database, and for how long.
type DatabaseCache struct {
	Enabled              bool           `key:"enabled"`
	InTransactions       InTransactions `key:"in_transactions"`
	DryRun               bool           `key:"dry_run"` // count what would be hits, keep no answers
	MaxAge               Duration       `key:"max_age"`
	StaleWhileRevalidate Duration       `key:"stale_while_revalidate"`
	MaxResult            Size           `key:"max_result"`
	MinMemory            Size           `key:"min_memory"` // 0: an equal share of a quarter of Cache.Memory
	Freshness            Freshness      `key:"freshness"`
	TrustedFunctions     []string       `key:"trusted_functions"` // as CheckFunction takes them
	Rules                []Rule         `key:"rules"`             // the first that matches wins
}

// Rule changes the cache's settings for some statements. A condition that is empty matches everything; a setting that
// is nil leaves what the database says.
type Rule struct {
	Tables       []string `key:"tables"`       // "name" or "schema.name"
	Match        string   `key:"match"`        // see Pattern
	Fingerprints []string `key:"fingerprints"` // as ParseFingerprint reads them
	Users        []string `key:"users"`

	Enabled              *bool     `key:"enabled"`
	MaxAge               *Duration `key:"max_age"`
	StaleWhileRevalidate *Duration `key:"stale_while_revalidate"`
	Clock                *Duration `key:"clock"` // 0: what reads the clock is not kept
	Tags                 []string  `key:"tags"`
}

// AuthMethod is how a client proves who it is.
type AuthMethod string

// PoolMode is how long a client keeps a server connection.
type PoolMode string

// OnPin is what becomes of a statement that leaves something behind which cannot follow its client to another server.
type OnPin string

// InTransactions is which reads of a transaction may be answered from the cache.
type InTransactions string

// TLSMode is what is asked of a connection, in libpq's words.
type TLSMode string

// Freshness is what a cached answer promises.
type Freshness string

const (
	AuthSCRAM    AuthMethod = "scram-sha-256"
	AuthMD5      AuthMethod = "md5"
	AuthPassword AuthMethod = "password"
	AuthCert     AuthMethod = "cert"
	AuthTrust    AuthMethod = "trust"

	PoolTransaction PoolMode = "transaction"
	PoolSession     PoolMode = "session"
	PoolStatement   PoolMode = "statement"

	OnPinPin   OnPin = "pin"
	OnPinError OnPin = "error"

	InTransactionsNever      InTransactions = "never"
	InTransactionsFirstReads InTransactions = "first-reads"

	TLSDisable    TLSMode = "disable"
	TLSAllow      TLSMode = "allow"
	TLSPrefer     TLSMode = "prefer"
	TLSRequire    TLSMode = "require"
	TLSVerifyCA   TLSMode = "verify-ca"
	TLSVerifyFull TLSMode = "verify-full"

	FreshnessTTL     Freshness = "ttl"
	FreshnessTracked Freshness = "tracked"
	FreshnessSession Freshness = "session"
	FreshnessStrict  Freshness = "strict"
)

// Default returns the configuration of an empty file. It has no databases, so it is not yet one that Load would return.
func Default() *Config {
	return &Config{
		Listen: []string{"127.0.0.1:6432"},
		HTTP:   "127.0.0.1:9432",
		Log:    Log{Level: "info", Format: "text"},
		Traces: Traces{Sample: 0.01},
		Auth:   Auth{Method: AuthSCRAM},
		TLS:    TLS{Mode: TLSPrefer},
		Limits: Limits{
			MaxClients: 10000, MaxMessage: GiB, MaxPrepared: 64 * MiB, LoginTimeout: Duration(time.Minute), MaxLoginsPerAddress: 1000,
			ShutdownTimeout: Duration(25 * time.Second), // below the 30 s after which Kubernetes kills
		},
		Cache: Cache{Memory: 256 * MiB},
	}
}

// DefaultDatabase returns a database whose every key but url has its default.
func DefaultDatabase() Database {
	return Database{
		Pool: Pool{
			Mode:        PoolTransaction,
			OnPin:       OnPinPin,
			Size:        20,
			WaitTimeout: Duration(15 * time.Second),
			IdleTimeout: Duration(10 * time.Minute),
			MaxLifetime: Duration(time.Hour),
		},
		Cache: DatabaseCache{
			Enabled:              true,
			MaxAge:               Duration(time.Minute),
			StaleWhileRevalidate: Duration(15 * time.Second),
			MaxResult:            50 * MiB,
			Freshness:            FreshnessTTL,
			InTransactions:       InTransactionsNever,
		},
	}
}
