package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"overdrive/config"
)

// imageName in the environment is the image that `make test-image` has built.
const imageName = "OVERDRIVE_TEST_IMAGE"

// What it takes to have a container run, beginning with nothing. Where a container runs inside another machine's sandbox, limits cannot
// be raised, and podman's usual runtime may not know the kernel's groups.
var containerDialects = [][]string{
	{},
	{"--ulimit=nofile=4000:4000", "--ulimit=nproc=1000:1000"},
	{"--runtime=runc", "--ulimit=nofile=4000:4000", "--ulimit=nproc=1000:1000"},
}

// A containerEngine runs containers of the image.
type containerEngine struct {
	t       *testing.T
	program string
	image   string
	dialect []string
}

// newContainerEngine skips the test where there is no image, or nothing that could run it.
func newContainerEngine(t *testing.T) *containerEngine {
	t.Helper()
	image := os.Getenv(imageName)
	if image == "" {
		t.Skip("`make test-image` builds an image and tries it")
	}
	var last string
	for _, program := range []string{"podman", "docker"} {
		for _, dialect := range containerDialects {
			e := &containerEngine{t, program, image, dialect}
			out, err := e.command("run", "--rm", image, "version").CombinedOutput()
			if err == nil {
				return e
			}
			last = fmt.Sprintf("%s: %v %s", program, err, out)
		}
	}
	t.Skipf("neither podman nor docker runs the image here: %s", last)
	return nil
}

// command is the engine's, with the dialect in its place.
func (e *containerEngine) command(verb string, args ...string) *exec.Cmd {
	var before, behind []string
	for _, option := range e.dialect {
		if strings.HasPrefix(option, "--runtime") {
			before = append(before, option)
		} else if verb == "run" {
			behind = append(behind, option)
		}
	}
	return exec.Command(e.program, append(append(append(before, verb), behind...), args...)...)
}

// run starts the image as nobody in particular, who may write nowhere and has no capability, and returns its log and its name.
func (e *containerEngine) run(options ...string) (log io.Reader, name string) {
	e.t.Helper()
	name = fmt.Sprintf("overdrive-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	args := []string{
		"--rm", "--name", name, "--no-healthcheck", "--read-only", "--user=12345:0", "--cap-drop=ALL", "--security-opt=no-new-privileges",
		"--env=OVERDRIVE_LOG_FORMAT=json",
	}
	cmd := e.command("run", append(append(args, options...), e.image)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() {
		if out, err := e.command("stop", name).CombinedOutput(); err != nil {
			e.t.Errorf("stop: %v %s", err, out)
		}
		if err := cmd.Wait(); err != nil {
			e.t.Errorf("the container ended with %v", err)
		}
	})
	return log, name
}

func TestImage_RunsAsAnybodyWithoutAnyRight(t *testing.T) {
	e := newContainerEngine(t)
	log, name := e.run("--network=none", "--env=TZ=Asia/Kolkata", "--env=OVERDRIVE_CONNECTION_STRING=postgres://app:secret@127.0.0.1/shop")
	s := &service{t: t, lines: make(chan map[string]any, 1000)}
	go s.follow(log)
	health, listening := s.await("health"), s.await("listening")
	for line, port := range map[*map[string]any]string{&health: "9432", &listening: "6432"} {
		if got, _ := (*line)["address"].(string); got != "[::]:"+port && got != "0.0.0.0:"+port {
			t.Errorf("listens on %q, want every address and port %s", got, port)
		}
	}
	if at, _ := health["time"].(string); !strings.HasSuffix(at, "+05:30") {
		t.Errorf("a time of the log is %q: the image lacks time zones", at)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		out, err := e.command("exec", name, "/overdrive", "healthcheck").CombinedOutput()
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("healthcheck: %v %s", err, out)
		}
	}
}

func TestImage_ServesADatabase(t *testing.T) {
	e := newContainerEngine(t)
	dsn := sharedDSN(t)
	log, _ := e.run("--network=host", "--env=OVERDRIVE_LISTEN=127.0.0.1:0", "--env=OVERDRIVE_HTTP=127.0.0.1:0",
		"--env=OVERDRIVE_CONNECTION_STRING="+dsn)
	s := newService(t, log)
	if got := query(t, login(t, at(t, dsn, s.address)), "select 41 + 1"); got != "42" {
		t.Errorf("got %q", got)
	}
}

func TestImage_IsMadeForTheProgramAsItIs(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1)
	if first, last := stages[0][1], stages[len(stages)-1][1]; first != "scratch" || last != "base" {
		t.Errorf("the image is made of %s and %s", first, last)
	}
	for variable, usual := range map[string]string{"LISTEN": config.Default().Listen[0], "HTTP": config.Default().HTTP} {
		_, port, _ := net.SplitHostPort(usual)
		if !strings.Contains(string(text), "OVERDRIVE_"+variable+"=0.0.0.0:"+port+" ") {
			t.Errorf("OVERDRIVE_%s is not every address and port %s", variable, port)
		}
		if !regexp.MustCompile(`(?m)^EXPOSE.* ` + port + `\b`).Match(text) {
			t.Errorf("port %s is not exposed", port)
		}
	}
	if !strings.Contains(string(text), envConfig+"=/") {
		t.Errorf("%s names no file", envConfig)
	}
	for _, command := range regexp.MustCompile(`(?m)(?:^CMD|CMD) \["(?:/overdrive", ")?([a-z]+)"\]`).FindAllStringSubmatch(string(text), -1) {
		if cmd, _, err := rootCommand().Find(command[1:]); err != nil || cmd.Name() != command[1] {
			t.Errorf("the image runs %q, which is no command", command[1])
		}
	}
}

// Without files of the system's own there are authorities all the same. The standard library takes them once only, and panics then.
func TestProgram_BringsItsOwnAuthorities(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("nobody has set the fallback roots")
		}
	}()
	x509.SetFallbackRoots(x509.NewCertPool())
}
