// Package scale holds no code, only a test of a database with many tables that is looked at through many search_paths: for how long
// nobody is answered from the cache after each kind of change, and what it costs the server and the proxy while nothing changes. It is small unless
// OVERDRIVE_SCALE says how many tables there are to be:
//
//	OVERDRIVE_SCALE=10000 go test ./proxy/scale -v
package scale
