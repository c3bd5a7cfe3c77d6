package overdrive

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"overdrive/config"
)

// This file holds what is in examples/ against the program. Whether others understand it, testdata/examples tests.

// at returns what a document of YAML has at a path; a number is an index of a list.
func at(t *testing.T, doc any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch node := doc.(type) {
		case map[string]any:
			doc = node[step.(string)]
		case []any:
			doc = node[step.(int)]
		}
		if doc == nil {
			t.Fatalf("there is nothing at %v", path[:i+1])
		}
	}
	return doc
}

// document reads a file of one document, in which no key may be there twice.
func document(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	in := yaml.NewDecoder(bytes.NewReader(text))
	if err := in.Decode(&doc); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := in.Decode(new(any)); !errors.Is(err, io.EOF) {
		t.Errorf("%s: more than one document, or %v", path, err)
	}
	return doc
}

// loadExample reads a configuration whose password is in a file.
func loadExample(t *testing.T, path string) *config.Config {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("change-me\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DB_PASSWORD_FILE", secret)
	cfg, problems := config.Load(config.Options{File: path, Environment: true})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

func usualPorts(t *testing.T) (clients, http string) {
	t.Helper()
	usual := config.Default()
	_, clients, err := net.SplitHostPort(usual.Listen[0])
	if err != nil {
		t.Fatal(err)
	}
	_, http, err = net.SplitHostPort(usual.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	return clients, http
}

// imageVariable returns what the image sets a variable to.
func imageVariable(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(name + `=(\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("the image does not set %s", name)
	}
	return string(found[1])
}

func TestCompose_IsForTheProgramAsItIs(t *testing.T) {
	const dir = "examples/compose"
	doc := document(t, dir+"/compose.yaml")
	service := at(t, doc, "services", "overdrive")
	cfg := loadExample(t, dir+"/overdrive/overdrive.yaml")
	clients, _ := usualPorts(t)
	if got := at(t, service, "ports", 0).(string); got != "127.0.0.1:"+clients+":"+clients {
		t.Errorf("the port is %s", got)
	}
	grace, err := time.ParseDuration(at(t, service, "stop_grace_period").(string))
	if patience := time.Duration(cfg.Limits.ShutdownTimeout); err != nil || grace < patience+10*time.Second {
		t.Errorf("it is killed after %v, %v; transactions may take %v to finish", grace, err, patience)
	}
	source, target, _ := strings.Cut(strings.TrimSuffix(at(t, service, "volumes", 0).(string), ":ro"), ":")
	if want := imageVariable(t, "OVERDRIVE_CONFIG"); filepath.Join(target, "overdrive.yaml") != want {
		t.Errorf("%s is mounted at %s, the image reads %s", source, target, want)
	}
	if got, want := at(t, service, "environment", "DB_PASSWORD_FILE"), "/run/secrets/"+at(t, service, "secrets", 0).(string); got != want {
		t.Errorf("the secret is read from %s, and is at %s", got, want)
	}
	for name := range at(t, doc, "services").(map[string]any) {
		volumes, _ := at(t, doc, "services", name).(map[string]any)["volumes"].([]any)
		for _, v := range volumes {
			source, _, _ := strings.Cut(v.(string), ":")
			if !strings.HasPrefix(source, ".") {
				continue // a volume by its name
			}
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				if _, none := os.Stat(filepath.Join(dir, filepath.Dir(source))); none != nil {
					t.Logf("%s: nothing watches the program here", filepath.Dir(source))
					continue
				}
				t.Error(err)
			}
		}
	}
}

func TestKubernetes_IsForTheProgramAsItIs(t *testing.T) {
	const dir = "examples/kubernetes"
	cfg := loadExample(t, dir+"/overdrive.yaml")
	pod := at(t, document(t, dir+"/deployment.yaml"), "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	clients, http := usualPorts(t)
	for i, want := range []string{clients, http} {
		port := at(t, container, "ports", i)
		text, _ := yaml.Marshal(at(t, port, "containerPort"))
		if strings.TrimSpace(string(text)) != want {
			t.Errorf("port %s is %swant %s", at(t, port, "name"), text, want)
		}
		inService := at(t, document(t, dir+"/service.yaml"), "spec", "ports", i)
		if at(t, inService, "targetPort") != at(t, port, "name") || at(t, inService, "port") != at(t, port, "containerPort") {
			t.Errorf("the Service has %v for %v", inService, port)
		}
		if at(t, document(t, dir+"/networkpolicy.yaml"), "spec", "ingress", i, "ports", 0, "port") != at(t, port, "containerPort") {
			t.Errorf("the NetworkPolicy lets nobody in at %v", port)
		}
	}
	for probe, path := range map[string]string{"livenessProbe": "/healthz", "readinessProbe": "/readyz"} {
		if got := at(t, container, probe, "httpGet", "path"); got != path {
			t.Errorf("%s asks %v", probe, got)
		}
		if !sourcesSay(t, "cmd/overdrive", "GET "+path+`"`) {
			t.Errorf("the program does not serve %s", path)
		}
	}
	grace := at(t, pod, "terminationGracePeriodSeconds").(int)
	before := at(t, container, "lifecycle", "preStop", "sleep", "seconds").(int)
	if patience := int(time.Duration(cfg.Limits.ShutdownTimeout).Seconds()); grace < before+patience+10 {
		t.Errorf("it is killed after %d s, of which %d pass before it hears of it, and transactions may take %d", grace, before, patience)
	}
	wantMemory(t, cfg, at(t, container, "resources", "limits", "memory").(string))
	mounts := at(t, container, "volumeMounts")
	if got, want := at(t, mounts, 0, "mountPath").(string), imageVariable(t, "OVERDRIVE_CONFIG"); filepath.Join(got, "overdrive.yaml") != want {
		t.Errorf("the ConfigMap is mounted at %s, the image reads %s", got, want)
	}
	key := slices.Collect(mapKeys(at(t, document(t, dir+"/secret.example.yaml"), "stringData")))[0]
	if got, want := at(t, container, "env", 0, "value"), at(t, mounts, 1, "mountPath").(string)+"/"+key; got != want {
		t.Errorf("the Secret is read from %s, and is at %s", got, want)
	}
}

func mapKeys(doc any) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range doc.(map[string]any) {
			if !yield(key) {
				return
			}
		}
	}
}

// wantMemory holds a limit to the rule in docs/operations.md, without any client.
func wantMemory(t *testing.T, cfg *config.Config, limit string) {
	t.Helper()
	var have config.Size
	if err := have.UnmarshalText([]byte(limit + "B")); err != nil {
		t.Fatal(err)
	}
	if need := cfg.Cache.Memory*12/10 + 64*config.MiB; have < need {
		t.Errorf("the pod may take %v, and needs %v without any client", have, need)
	}
}

func TestKubernetes_NamesEveryFileInItsKustomization(t *testing.T) {
	const dir = "examples/kubernetes"
	doc := document(t, dir+"/kustomization.yaml")
	named := []string{"kustomization.yaml", "secret.example.yaml", at(t, doc, "configMapGenerator", 0, "files", 0).(string)}
	for _, name := range at(t, doc, "resources").([]any) {
		named = append(named, name.(string))
	}
	files, err := filepath.Glob(dir + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	slices.Sort(named)
	if !slices.Equal(named, files) {
		t.Errorf("named are %q, there are %q", named, files)
	}
}

// sourcesSay reports whether a package's sources have the text.
func sourcesSay(t *testing.T, room, text string) bool {
	t.Helper()
	files, err := filepath.Glob(room + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(name string) bool {
		source, err := os.ReadFile(name)
		return err == nil && !strings.HasSuffix(name, "_test.go") && bytes.Contains(source, []byte(text))
	})
}
