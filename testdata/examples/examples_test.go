// Package examples checks what is in the project's examples/ with the programs that it is for: the loader of docker compose, kustomize,
// and Kubernetes' own types. It is a module of its own, so that none of them is among the project's dependencies:
//
//	make test-examples
package examples

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
)

const examples = "../../examples"

func TestCompose_IsValidToItsOwnLoader(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(examples, "compose", "compose.yaml")},
		cli.WithWorkingDirectory(filepath.Join(examples, "compose")))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background()) // by the schema of the specification
	if err != nil {
		t.Fatal(err)
	}
	if len(project.Services) != 4 {
		t.Errorf("got %d services", len(project.Services))
	}
}

// kinds are those that the examples use, each with an empty object of Kubernetes' types.
var kinds = map[string]func() any{
	"ConfigMap":           func() any { return new(corev1.ConfigMap) },
	"Deployment":          func() any { return new(appsv1.Deployment) },
	"NetworkPolicy":       func() any { return new(networkingv1.NetworkPolicy) },
	"PodDisruptionBudget": func() any { return new(policyv1.PodDisruptionBudget) },
	"Secret":              func() any { return new(corev1.Secret) },
	"Service":             func() any { return new(corev1.Service) },
	"ServiceAccount":      func() any { return new(corev1.ServiceAccount) },
}

func TestKubernetes_IsValidToKustomizeAndToTheTypes(t *testing.T) {
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(examples, "kubernetes"))
	if err != nil {
		t.Fatal(err)
	}
	if all.Size() != 6 {
		t.Errorf("the kustomization makes %d objects", all.Size())
	}
	for _, r := range all.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		decode(t, r.GetKind(), text)
	}
	secret, err := os.ReadFile(filepath.Join(examples, "kubernetes", "secret.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	decode(t, "Secret", secret)
}

// decode refuses every key that the type does not have.
func decode(t *testing.T, kind string, text []byte) {
	t.Helper()
	into, known := kinds[kind]
	if !known {
		t.Fatalf("there is no type for %s", kind)
	}
	if err := yaml.UnmarshalStrict(text, into()); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
}
