package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const sampleFile = "../docs/sample/overdrive.yaml"

// documented returns the default that docs/configuration.md gives for each key.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ").FindAllStringSubmatch(string(text), -1)
	keys := make(map[string]string)
	for _, row := range rows {
		if _, twice := keys[row[1]]; twice {
			t.Errorf("%s has two rows", row[1])
		}
		keys[row[1]] = strings.Trim(row[2], "`")
	}
	return keys
}

func TestDocs_HaveARowForEachKeyAndNoOther(t *testing.T) {
	docs := documented(t)
	for _, key := range Keys() {
		if _, found := docs[key]; !found {
			t.Errorf("docs/configuration.md lacks %s", key)
		}
		delete(docs, key)
	}
	for key := range docs {
		t.Errorf("docs/configuration.md describes %s, which is no key", key)
	}
}

func TestDocs_GiveTheDefaultsOfTheCode(t *testing.T) {
	cfg := Default()
	cfg.Databases = map[string]Database{"<name>": DefaultDatabase()}
	defaults := make(map[string]string)
	collectDefaults("", reflect.ValueOf(*cfg), defaults)
	docs := documented(t)
	for key, want := range defaults {
		got := docs[key]
		if want == "" {
			want = "none"
		}
		if got != want && key != "databases.<name>.url" {
			t.Errorf("%s: docs say %q, the code %q", key, got, want)
		}
	}
}

// collectDefaults writes every value below v into out, by key, in the words of the documentation.
func collectDefaults(path string, v reflect.Value, out map[string]string) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if name, ok := v.Type().Field(i).Tag.Lookup("key"); ok {
				collectDefaults(strings.TrimPrefix(path+"."+name, "."), v.Field(i), out)
			}
		}
	case v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Struct:
		for _, k := range v.MapKeys() {
			collectDefaults(path+"."+k.String(), v.MapIndex(k), out)
		}
	case v.Kind() == reflect.Map, v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		if v.Len() != 0 {
			panic(path + " has a default that the documentation cannot show")
		}
	default:
		out[path] = strings.Trim(fmt.Sprint(v.Interface()), "[]")
	}
}

func TestSample_LoadsAsItIs(t *testing.T) {
	mustLoad(t, Options{File: sampleFile})
}

// What docs/worker.md says of ages is what this file says.
func TestExample_OfTheWorkerKeepsScoresForAShorterTime(t *testing.T) {
	cache := mustLoad(t, Options{File: "../examples/worker/overdrive.yaml"}).Databases["shop"].Cache
	if len(cache.Rules) != 1 || !slices.Equal(cache.Rules[0].Tables, []string{"scores"}) {
		t.Fatalf("its rules are %+v, want one for the table scores", cache.Rules)
	}
	if rule := cache.Rules[0].MaxAge; rule == nil || *rule >= cache.MaxAge {
		t.Errorf("its rule has max_age %v, want less than the database's %v", rule, cache.MaxAge)
	}
}

// In the sample a # and one space start prose; any other # comments out the line of YAML behind it.
func TestSample_HasEachKeyAndNoOther(t *testing.T) {
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	whole := regexp.MustCompile(`(?m)^( *)#([^ \n]|  )`).ReplaceAllString(string(text), "$1$2")
	root, err := parseYAML([]byte(whole))
	if err != nil {
		t.Fatalf("%v in\n%s", err, whole)
	}
	var got []string
	collectKeys("", root, reflect.TypeFor[Config](), &got)
	for _, key := range Keys() {
		if !slices.Contains(got, key) {
			t.Errorf("the sample lacks %s", key)
		}
	}
	for _, key := range got {
		if !slices.Contains(Keys(), key) {
			t.Errorf("the sample has %s, which is no key", key)
		}
	}
}

// collectKeys appends the keys of n's leaves, in the form of Keys.
func collectKeys(path string, n *yaml.Node, t reflect.Type, out *[]string) {
	switch {
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		for _, value := range entries(n) {
			collectKeys(path+".<name>", value, t.Elem(), out)
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		for name, value := range entries(n) {
			child := reflect.TypeFor[string]()
			for i := range t.NumField() {
				if t.Field(i).Tag.Get("key") == name {
					child = t.Field(i).Type
				}
			}
			collectKeys(strings.TrimPrefix(path+"."+name, "."), value, child, out)
		}
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		for _, item := range n.Content {
			collectKeys(path+"[]", item, t.Elem(), out)
		}
	default:
		if !slices.Contains(*out, path) {
			*out = append(*out, path)
		}
	}
}
