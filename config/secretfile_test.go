package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const shopOfSecret = "databases: {shop: {url: \"postgres://app:${DB_PASSWORD}@db/shop\"}}\nauth: {users: {app: \"${APP_PASSWORD}\"}}\n"

func TestLoad_TakesAVariableFromTheFileThatItsNameWithFILENames(t *testing.T) {
	for text, want := range map[string]string{
		"p@s:s/w?o#r%d é": "p@s:s/w?o#r%d é", "with\n": "with", "of Windows\r\n": "of Windows", "two\n\n": "two\n", " kept ": " kept ",
	} {
		secret := write(t, "password", text)
		t.Setenv("DB_PASSWORD_FILE", secret)
		t.Setenv("APP_PASSWORD_FILE", secret)
		cfg := mustLoad(t, Options{File: write(t, "o.yaml", shopOfSecret), Environment: true})
		if got := cfg.Databases["shop"].Upstream.Password.Reveal(); got != want {
			t.Errorf("%q at the server: got %q, want %q", text, got, want)
		}
		if got := cfg.Auth.Users["app"].Reveal(); got != want {
			t.Errorf("%q of clients: got %q, want %q", text, got, want)
		}
		if got := cfg.Files(); !slices.Equal(got, []string{secret}) {
			t.Errorf("the files to follow: got %q, want %q", got, secret)
		}
	}
}

func TestLoad_PrefersTheVariableItselfToItsFile(t *testing.T) {
	t.Setenv("DB_PASSWORD", "direct")
	t.Setenv("APP_PASSWORD", "")
	t.Setenv("DB_PASSWORD_FILE", "/nowhere")
	t.Setenv("APP_PASSWORD_FILE", "/nowhere")
	path := write(t, "o.yaml", strings.Replace(shopOfSecret, "${APP_PASSWORD}", "x${APP_PASSWORD}", 1))
	cfg := mustLoad(t, Options{File: path, Environment: true})
	if got := cfg.Databases["shop"].Upstream.Password.Reveal() + cfg.Auth.Users["app"].Reveal(); got != "directx" {
		t.Errorf("got %q", got)
	}
	if files := cfg.Files(); len(files) > 0 {
		t.Errorf("follows %q, which nobody read", files)
	}
}

func TestLoad_SaysWhatIsWrongWithAFileOfASecret(t *testing.T) {
	for file, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "cannot be read: no such file or directory",
		t.TempDir():                        "cannot be read: is a directory",
		write(t, "empty", "\n"):            "is empty",
		write(t, "large", strings.Repeat("s", maxSecretBytes+1)): "is larger than 64KiB",
	} {
		t.Setenv("DB_PASSWORD_FILE", file)
		t.Setenv("APP_PASSWORD", "x")
		_, problems := Load(Options{File: write(t, "o.yaml", shopOfSecret), Environment: true})
		if len(problems) != 1 || problems[0].Key != "databases.shop.url" ||
			problems[0].Text != "the file that DB_PASSWORD_FILE names "+want {
			t.Errorf("got %v, want %q", problems, want)
		}
	}
}

func TestLoad_IgnoresFilesOfSecretsWhereTheEnvironmentDoesNotCount(t *testing.T) {
	t.Setenv("DB_PASSWORD_FILE", write(t, "password", "secret"))
	_, problems := Load(Options{File: write(t, "o.yaml", shopOfSecret)})
	if len(problems) != 2 || !problems[0].isUnset() || !problems[1].isUnset() {
		t.Errorf("got %v", problems)
	}
}

// The largest file is read whole.
func TestReadSecret_TakesWhatIsAllowed(t *testing.T) {
	want := strings.Repeat("s", maxSecretBytes)
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadSecret(path); err != nil || got.Reveal() != want {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
