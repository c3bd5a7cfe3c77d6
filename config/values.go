package config

import (
	"encoding"
	"errors"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var errOutOfRange = errors.New("must be smaller")

// Duration is a length of time, written as in Go ("15s", "1h30m"). A bare number counts seconds, as Hyperdrive's
// --max-age does.
type Duration time.Duration

// UnmarshalText reads a Duration.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > math.MaxInt64/int64(time.Second) || n < math.MinInt64/int64(time.Second) {
			return errOutOfRange
		}
		*d = Duration(time.Duration(n) * time.Second)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("must be a duration such as 15s or 1h30m")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes d so that UnmarshalText reads it back.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes d without the zero units at its end: 1h rather than 1h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Size is a number of bytes, written with a unit of 1024 ("256MiB") or without one.
type Size int64

const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
	TiB       = 1024 * GiB
)

// The largest unit comes first, and B, which every other unit ends in, comes last.
var sizeUnits = []struct {
	name  string
	bytes Size
}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", Byte}}

// UnmarshalText reads a Size. MB and its like are refused, since half of their readers take them for 1000².
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), Byte
	for _, u := range sizeUnits {
		if head, found := strings.CutSuffix(number, u.name); found {
			number, unit = strings.TrimSpace(head), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return errors.New("must be a size such as 256MiB or 1GiB")
	}
	if n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
		return errOutOfRange
	}
	*s = Size(n) * unit
	return nil
}

// MarshalText writes s so that UnmarshalText reads it back.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes s in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.bytes == 0 && u.bytes != Byte {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Share is a part of a whole between 0 and 1, written as "0.25" or "25%".
type Share float64

// UnmarshalText reads a Share.
func (s *Share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return errors.New("must be a share between 0 and 1, such as 0.25 or 25%")
	}
	*s = Share(v)
	return nil
}

// MarshalText writes s so that UnmarshalText reads it back.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes s as a number.
func (s Share) String() string { return strconv.FormatFloat(float64(s), 'g', -1, 64) }

const redacted = "[secret]"

// Secret is a password or a verifier. Whatever prints it prints a placeholder; Reveal is the only way to its text.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String, GoString, MarshalText and LogValue return the placeholder.
func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return strconv.Quote(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

// setScalar parses text into v. Errors say what is wanted and do not quote text.
func setScalar(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 0)
		if err != nil {
			return errors.New("must be a whole number")
		}
		v.SetInt(n)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "on", "yes":
			v.SetBool(true)
		case "false", "off", "no":
			v.SetBool(false)
		default:
			return errors.New("must be true or false")
		}
	default:
		panic("config: no rule to decode " + v.Type().String())
	}
	return nil
}
