// Package sqlscan cuts PostgreSQL's SQL text into tokens and reduces a statement to its shape.
//
// It follows the lexical rules of the PostgreSQL manual, chapter 4.1 "Lexical Structure", closely enough that a token
// here is a token there. It knows no grammar. It never allocates, never panics and always ends, whatever the bytes.
//
// The rules hold only while the session's standard_conforming_strings is on, the default since PostgreSQL 9.1. With it
// off a backslash may hide the end of a string, and every answer of this package is worthless; the caller must look at
// that setting first and not ask.
//
// # Shape
//
// The shape of a text is what remains when everything that cannot change the meaning of names is taken away:
//
//	SELECT  Name FROM "T" -- why      select name from "T" where id = 1 and s = 's'
//	WHERE id=42 AND s = E'it\'s';  ─▶
//
// White space and comments are gone, one space stands between tokens, unquoted identifiers are in lower case, every
// string is 's', every bit string b'0', every number 1, and a trailing semicolon is dropped. The shape is itself valid
// SQL with the same parse tree but for constants, so whatever is worked out from the shape alone holds for every text
// that has it. What depends on the constants is told by Flags, which belong to the text.
package sqlscan
