package main

// In an image that holds nothing but the program there is no file to read these from. Where the system has its own, they count.
import (
	_ "time/tzdata" // time zones, for TZ and the times in the log

	_ "golang.org/x/crypto/x509roots/fallback" // authorities, for sslrootcert=system
)
