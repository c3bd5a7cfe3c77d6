package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// fileSuffix makes a variable name a file that holds the value, as it is usual for the secrets of containers.
const fileSuffix = "_FILE"

// maxSecretBytes bounds such a file: it holds one password, or one connection string.
const maxSecretBytes = 64 << 10

// variables look up what ${NAME} in the file stands for, and remember which files were asked for it.
type variables struct {
	opts  Options
	files []string
}

// lookUp returns the value of a variable, else what the file says that NAME_FILE names; or what is wrong, without any secret.
func (v *variables) lookUp(name string) (value, wrong string) {
	if value, found := v.opts.variable(name); found {
		return value, ""
	}
	wrong = unsetBefore + name + unsetBehind
	if file, found := v.opts.variable(name + fileSuffix); found {
		v.files = append(v.files, file)
		secret, err := ReadSecret(file)
		if err == nil {
			return secret.Reveal(), ""
		}
		wrong = fmt.Sprintf("the file that %s names %v", name+fileSuffix, err)
	}
	if v.opts.standIns {
		return "${" + name + "}", ""
	}
	return "", wrong
}

// ReadSecret returns what the file holds, without the end of its last line: editors and commands put one there. Its error reads as
// if behind the file's name, which it does not contain.
func ReadSecret(file string) (Secret, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", bare(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", bare(err))
	}
	if len(data) > maxSecretBytes {
		return "", fmt.Errorf("is larger than %v", Size(maxSecretBytes))
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(data) == 0 {
		return "", errors.New("is empty")
	}
	return Secret(data), nil
}

// bare takes the name of the file off an error of package os.
func bare(err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
