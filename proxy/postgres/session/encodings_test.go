package session

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
)

// lettersWithASCII raises an error if a condition does not hold of the number of letters beyond ASCII that have an ASCII byte in
// them once PostgreSQL has converted them to an encoding (the names that begin with EUC have letters of several bytes) or from it.
const lettersWithASCII = `do $$
declare
	bad int := 0;
	letter bytea;
	prefix bytea;
begin
	for i in 128..%[2]d loop
		begin
			letter := convert_to(chr(i), '%[1]s');
			bad := bad + (encode(letter, 'escape') !~ '^(\\[2-3][0-7][0-7])*$')::int;
		exception when others then null; -- there is no such letter
		end;
	end loop;
	foreach prefix in array '%[3]s'::bytea[] loop
		for i in 128..255 loop
			begin
				bad := bad + (convert_from(prefix || set_byte('\x00'::bytea, 0, i), '%[1]s') ~ '[\x01-\x7f]')::int;
			exception when others then null;
			end;
		end loop;
	end loop;
	if not bad %[4]s 0 then
		raise exception '%[1]s: %% letters', bad;
	end if;
end $$`

// What encodings.go believes of PostgreSQL's conversions: no letter beyond ASCII becomes one of ASCII, in neither direction. Else
// a quote might come to be where the client's bytes show none.
func TestEncodings_LettersBeyondASCIIStayBeyondASCIIOnPostgres(t *testing.T) {
	t.Parallel()
	pg := proxytest.SharedPostgres(t)
	var first, leads []string // of a letter's bytes
	for i := 128; i < 256; i++ {
		leads = append(leads, fmt.Sprintf(`"\\x%02x"`, i), fmt.Sprintf(`"\\x8f%02x"`, i), fmt.Sprintf(`"\\x8ea2%02x"`, i))
	}
	first = append(first, `"\\x"`)
	for name := range letterwise {
		switch {
		case name == "UTF8":
		case strings.HasPrefix(name, "EUC"):
			pg.Exec(fmt.Sprintf(lettersWithASCII, name, 0xd7ff, "{"+strings.Join(leads, ",")+"}", "="))
		default:
			pg.Exec(fmt.Sprintf(lettersWithASCII, name, 0x2fff, "{"+strings.Join(first, ",")+"}", "="))
		}
	}
	pg.Exec(fmt.Sprintf(lettersWithASCII, "SJIS", 0xffff, "{"+strings.Join(first, ",")+"}", ">")) // the check finds something
}
