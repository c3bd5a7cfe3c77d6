// Package upstream opens server connections: dial, TLS, login, and the separate connection that cancels. It is blocking
// straight-line code with deadlines, meant for a goroutine of its own; the socket it returns is logged in, idle, and has
// not been read one byte too far, so an event loop can take it over.
//
//	dial ──▶ SSLRequest ──▶ TLS ──▶ StartupMessage ──▶ authentication ──▶ parameters, key ──▶ ReadyForQuery
//	  └──────── plain, as sslmode says ────┘
//
// Which kinds of connection are tried, and in which order, follows libpq ("SSL Mode Descriptions"):
//
//	disable, Unix socket      plain
//	allow                     plain, then TLS if the server answered the login with an error
//	prefer                    TLS if the server has it, then plain if the handshake or the login failed
//	require                   TLS; the certificate is checked like verify-ca if sslrootcert is given
//	verify-ca, verify-full    TLS; chain, chain and host name
//
// The server is not trusted: every message has a bound, and so has the sum of all messages of a login. SCRAM costs
// processor time; callers limit how many logins run at once.
package upstream
