// Package config turns a file, the environment and flags into one checked Config.
//
// A value is looked for in four places and the first that has it wins:
//
//	flag  ▶  environment  ▶  file  ▶  default
//	--cache-memory   OVERDRIVE_CACHE_MEMORY   cache.memory   256MiB
//
// Every key that has a fixed path has a flag and an environment variable of that shape. Keys under a database have
// neither: their paths contain names the user chose, and PostgreSQL's names keep their case where variables do not.
// Inside the file, ${NAME} stands for the value of an environment variable, so that secrets stay out of it.
//
// YAML, TOML and JSON files are read into the same tree of nodes, and one decoder walks that tree along the structs
// below Config. The tree keeps keys and scalars as they were written: the database Shop stays Shop, and a password of
// 0123 stays those four characters.
//
// Load reads only what its Options name and changes nothing, so a reload is another Load: when it reports problems, the
// old Config is still whole and still in use. All problems are reported together, each with the path of its key. No
// problem, and nothing printed from a Config, contains a secret.
package config
