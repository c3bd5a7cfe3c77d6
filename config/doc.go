// Package config turns a file, the environment and flags into one checked Config.
//
// A value is looked for in four places and the first that has it wins:
//
//	flag  ▶  environment  ▶  file  ▶  default
//	--cache-memory   OVERDRIVE_CACHE_MEMORY   cache.memory   256MiB
//
// Every key that has a fixed path has a flag and an environment variable of that shape. Keys under a database have
// neither: their paths contain names the user chose, and PostgreSQL's names keep their case where variables do not.
// Inside the file, ${NAME} stands for the value of an environment variable, so that secrets stay out of it;
// where it is not set, NAME_FILE may name a file that holds the value.
//
// How a file becomes a Config:
//
//	YAML, TOML, JSON ─▶ tree of yaml.Node ─▶ codec ─▶ viper ─▶ Config ─▶ validate
//	     formats.go, json.go, aliases.go       │        ▲  layers.go
//	                                 problems, lines    └── flags, environment, defaults
//
// viper layers the sources. It folds the case of keys, knows no lines and stops at the first mistake, so a codec of ours
// stands before it: the tree keeps keys and scalars as they were written (a password of 0123 stays those four characters),
// and the codec walks it along the structs below Config, reports what does not fit with its line, and gives viper only keys
// of Config. Tables whose keys are names, such as databases, become lists in which the name is a value: the database Shop
// stays Shop.
//
// Load reads only what its Options name and changes nothing. Each has a viper of its own, so a reload is another Load: when it
// reports problems, the old Config is still whole and still in use. All problems are reported together, each with the path of
// its key. No problem, and nothing printed from a Config, contains a secret.
//
// Edit changes the file for a program. It works on the text, at the places that YAML's parser tells, since writing the tree anew would
// move comments and change quotes and indents:
//
//	text ─▶ document ─▶ new text ─▶ means what it should? ─▶ Load ─▶ in place of the file, at once
//	        editdocument.go          editmeaning.go                   replacefile.go
//	        editblock.go, editflow.go, editvalue.go
//
// Where the layout does not allow to change one key alone, since an anchor has others mean the same text, the second look finds that
// out, and the file stays as it was. dsn.go does for the text of a url what Edit does for the file.
package config
