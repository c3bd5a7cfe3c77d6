// Package upstream opens server connections: dial, TLS, login, and the separate connection that cancels. It is blocking
// straight-line code with deadlines, meant for a goroutine of its own; the socket it returns is logged in and idle, nobody reads
// from it any more, and what was read too far comes with it, so an event loop can take it over.
//
//	dial ──▶ SSLRequest ──▶ TLS ──▶ StartupMessage ──▶ authentication ──▶ parameters, key ──▶ ReadyForQuery
//	  └──────── plain, as sslmode says ────┘  └──────────── pgconn, behind a gate ──────────────┘
//
// pgconn speaks to the server from StartupMessage on, and does the arithmetic of SCRAM. A gate before it keeps the bounds, lets
// through what a login may contain, and says what the server may ask for. Nothing of libpq's environment counts.
//
// Which kinds of connection are tried, and in which order, follows libpq ("SSL Mode Descriptions"):
//
//	disable, Unix socket      plain
//	allow                     plain, then TLS if the server answered the login with an error
//	prefer                    TLS if the server has it, then plain if the handshake or the login failed
//	require                   TLS
//	verify-ca, verify-full    TLS; chain, chain and host name
//
// The certificate's chain is checked in every mode if sslrootcert names a file, under verify-full the name, too.
// sslrootcert=system wants verify-full. What the server may ask for as a proof follows require_auth; a password in clear is
// sent without TLS only if that names it.
//
// The server is not trusted: every message has a bound, and so has the sum of all messages of a login. SCRAM costs
// processor time; callers limit how many logins run at once.
package upstream
