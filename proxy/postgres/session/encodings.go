package session

import (
	"bytes"
	"maps"

	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/classify"
	"overdrive/querycache/sqlscan"
)

// This file is about the encodings of client and server. Settings are kept in the server's bytes; texts come in the client's.

// readsUTF8 says whether the client's bytes are the server's, in UTF8: so names in its texts are read as they stand.
func (s *Session) readsUTF8() bool {
	const utf8 = "UTF8"
	return s.params.want != nil && s.params.want.Encoding() == utf8 && s.identity.profile.Load().encoding == utf8
}

// sameBytes says whether a server with these settings sends values as it has them.
func (o *Identity) sameBytes(has *settings.Set) bool {
	encoding := has.Encoding()
	server := o.profile.Load().encoding
	return encoding == server || encoding == serverBytes || server == serverBytes
}

// tellable says whether a value of the server's can be told to the client as it is. Others are not told.
func (s *Session) tellable(value string) bool {
	return sqlscan.IsASCII(value) || s.identity.sameBytes(s.params.want)
}

// A reading says how a text is to be taken.
type reading uint8

const (
	asItStands   reading = iota
	inOtherNames         // names in it may be others for the server
	unreadable           // not even its tokens are certain
)

// reading returns how a text of the client is to be taken. Every encoding of PostgreSQL reads ASCII as it stands. One whose further
// bytes are all beyond ASCII leaves the borders of tokens where they are. Constants are then what they are for the server, and
// the key of an answer tells the encoding; but a name is not what the catalog calls it.
func (s *Session) reading(text []byte) reading {
	switch {
	case !s.params.want.Legible() && mayEscape(text):
		return unreadable
	case s.readsUTF8() || sqlscan.IsASCII(text):
		return asItStands
	case !s.identity.keepsTokens(s.params.want.Encoding()):
		return unreadable
	case sqlscan.NamesAreASCII(text):
		return asItStands
	}
	return inOtherNames
}

// mayEscape says whether a text may mean something else under standard_conforming_strings = off: it has a backslash, or what may be the
// beginning of a constant with one of its own kind of escapes, which is an error then.
func mayEscape(text []byte) bool {
	return bytes.IndexByte(text, '\\') >= 0 || bytes.Contains(text, []byte("U&'")) || bytes.Contains(text, []byte("u&'"))
}

// keepsTokens says whether texts have their tokens where the bytes in this client_encoding show them, after the server has converted
// them to its own.
func (o *Identity) keepsTokens(client string) bool {
	server := o.profile.Load().encoding
	if client == server || client == serverBytes || server == serverBytes {
		return beyondASCII[client] || client == serverBytes
	}
	return letterwise[client] && letterwise[server]
}

// letterwise are the encodings between which every letter beyond ASCII becomes one beyond ASCII.
var letterwise = setOf("UTF8", "LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10",
	"ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "KOI8R", "KOI8U", "WIN866", "WIN874",
	"WIN1250", "WIN1251", "WIN1252", "WIN1253", "WIN1254", "WIN1255", "WIN1256", "WIN1257", "WIN1258",
	"EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004")

// beyondASCII are those whose letters beyond ASCII have no ASCII byte in them: PostgreSQL allows no others in a database.
var beyondASCII = union(letterwise, setOf("MULE_INTERNAL"))

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

func union(a, b map[string]bool) map[string]bool {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

// words returns what a server has said on an errand, as far as it is certain how the client reads it.
func (s *Session) words(message string, srv *ServerConn) string {
	if sqlscan.IsASCII(message) || s.identity.sameBytes(s.params.want) && s.identity.sameBytes(srv.params.has) {
		return message
	}
	plain := []byte(message)
	for i, c := range plain {
		if c >= 0x80 {
			plain[i] = '?'
		}
	}
	return string(plain)
}

// recodes says whether a statement may change how the text of a later one is read. Which way is known when it was answered.
func recodes(v *classify.Verdict) bool {
	return settings.Recode(v.Sets) || settings.Recode(v.Resets) || v.Session.Has(classify.SetsConfig|classify.SessionUnknown|classify.DiscardAll|classify.Recodes)
}
