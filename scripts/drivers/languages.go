package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A language is a folder of testdata/drivers: a manifest of exact versions and a program for each driver.
type language struct {
	name      string
	needs     []string // programs that must be in PATH
	manifests []string // what install depends on
	install   []string // shell commands that fetch what the manifests name: where they fail, the drivers cannot be had here
	build     []string // shell commands that only compute: where they fail, something is wrong with the programs
	drivers   []driver
}

// A driver is tried by its program, which is told by the environment where the proxy is.
type driver struct {
	name    string
	command []string
}

var languages = []language{
	{
		name: "python", needs: []string{"python3"}, manifests: []string{"requirements.txt"},
		install: []string{"python3 -m venv .venv", ".venv/bin/pip install --disable-pip-version-check -q -r requirements.txt"},
		drivers: []driver{
			{"asyncpg", python("run_asyncpg.py")},
			{"psycopg 2", python("run_psycopg2.py")},
			{"psycopg 3", python("run_psycopg3.py")},
			{"SQLAlchemy", python("run_sqlalchemy.py")},
			{"Django", python("run_django.py")},
		},
	},
	{
		name: "node", needs: []string{"node", "npm"}, manifests: []string{"package.json", "package-lock.json"},
		install: []string{"npm ci --ignore-scripts --no-audit --no-fund"},
		// generate does not run the schema engine, but downloads it unless it is told that there is one.
		build: []string{"PRISMA_SCHEMA_ENGINE_BINARY=/bin/sh npx --no-install prisma generate"},
		drivers: []driver{
			{"node-postgres", []string{"node", "node-postgres.mjs"}},
			{"postgres.js", []string{"node", "postgres-js.mjs"}},
			{"Prisma", []string{"node", "prisma.mjs"}},
			{"Drizzle", []string{"node", "drizzle.mjs"}},
			{"Sequelize", []string{"node", "sequelize.mjs"}},
			{"TypeORM", []string{"node", "typeorm.mjs"}},
			{"Kysely", []string{"node", "kysely.mjs"}},
		},
	},
	{
		name: "go", needs: []string{"go"}, manifests: []string{"go.mod", "go.sum"},
		install: []string{"go mod download"},
		build:   []string{"go build -o bin/ ./..."},
		drivers: []driver{{"pgx", []string{"bin/pgx"}}, {"lib/pq", []string{"bin/libpq"}}, {"GORM", []string{"bin/gorm"}}},
	},
	{
		name: "java", needs: []string{"java", "javac", "mvn"}, manifests: []string{"pom.xml"},
		install: []string{"mvn -q -B dependency:copy-dependencies -DoutputDirectory=target/dependency"},
		build:   []string{"javac -proc:none -cp 'target/dependency/*' -d target/classes *.java"},
		drivers: []driver{
			{"pgjdbc, HikariCP", java("RunHikari")},
			{"pgjdbc, setTransactionIsolation", java("RunHikari", "isolation")},
			{"Hibernate", java("RunHibernate")},
		},
	},
	{
		name: "rust", needs: []string{"cargo"}, manifests: []string{"Cargo.toml", "Cargo.lock"},
		install: []string{"cargo fetch --locked"},
		build:   []string{"cargo build -q --locked --offline"},
		drivers: []driver{{"tokio-postgres", []string{"target/debug/run_tokio_postgres"}}, {"sqlx", []string{"target/debug/run_sqlx"}}},
	},
	{
		name: "php", needs: []string{"php"}, manifests: []string{"composer.json"},
		install: []string{`php -r 'foreach (["pdo_pgsql", "pcntl"] as $x) if (!extension_loaded($x)) { echo "php has no $x\n"; exit(1); }'`},
		drivers: []driver{{"PDO", []string{"php", "run_pdo.php"}}, {"PDO, lastInsertId in a transaction", []string{"php", "run_pdo.php", "lastInsertId"}}},
	},
	{
		name: "ruby", needs: []string{"ruby", "bundle"}, manifests: []string{"Gemfile"},
		install: []string{"bundle config set --local path vendor", "bundle install --quiet"},
		drivers: []driver{{"ActiveRecord", []string{"bundle", "exec", "ruby", "run_active_record.rb"}}},
	},
}

func python(program string) []string { return []string{".venv/bin/python", program} }

func java(program ...string) []string {
	return append([]string{"java", "-cp", "target/classes" + string(filepath.ListSeparator) + "target/dependency/*"}, program...)
}

func (l *language) dir() string { return filepath.Join(where, l.name) }

// named returns the drivers that have one of the words in their names, or all of them.
func (l *language) named(words []string) []driver {
	return slices.DeleteFunc(slices.Clone(l.drivers), func(d driver) bool {
		return len(words) > 0 && !slices.ContainsFunc(words, func(word string) bool {
			return strings.Contains(strings.ToLower(d.name), strings.ToLower(word))
		})
	})
}

// prepare installs and builds. It returns why the drivers cannot be had on this machine, or what is wrong with their programs.
func (l *language) prepare(ctx context.Context) (missing, broken error) {
	for _, program := range l.needs {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not in PATH", program), nil
		}
	}
	stamp := filepath.Join(l.dir(), ".installed")
	wanted, err := l.fingerprint()
	if err != nil {
		return nil, err
	}
	if done, err := os.ReadFile(stamp); err != nil || string(done) != wanted {
		for _, command := range l.install {
			if err := l.shell(ctx, command); err != nil {
				return err, nil
			}
		}
		if err := os.WriteFile(stamp, []byte(wanted), 0o644); err != nil {
			return nil, err
		}
	}
	for _, command := range l.build {
		if err := l.shell(ctx, command); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// fingerprint changes when something else is to be installed.
func (l *language) fingerprint() (string, error) {
	sum := sha256.New()
	for _, name := range l.manifests {
		text, err := os.ReadFile(filepath.Join(l.dir(), name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return fmt.Sprintf("%x %q\n", sum.Sum(nil), l.install), nil
}

// installLimit bounds one command. The slowest, a build of the Rust crates, takes some minutes on two processors.
const installLimit = 20 * time.Minute

// shell runs a command in the language's folder. Its error is one line long.
func (l *language) shell(ctx context.Context, command string) error {
	ctx, stop := context.WithTimeout(ctx, installLimit)
	defer stop()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = l.dir()
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	progress("%s\n%s", command, out)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = ctx.Err()
	}
	return fmt.Errorf("%s: %w: %s", command, err, lastLine(string(out)))
}

// lastLine returns the last line that says something.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
