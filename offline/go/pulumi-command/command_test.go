package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/blang/semver"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

var urn = resource.NewURN("test", "coursehub", "", tokens.Type("command:local:Command"), "command")

func server(t *testing.T) integration.Server {
	t.Helper()
	served, err := newProvider()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(context.Background(), "command", semver.MustParse(version), integration.WithProvider(served))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func inputs(values map[string]string) property.Map {
	properties := map[string]property.Value{}
	for key, value := range values {
		properties[key] = property.New(value)
	}
	return property.NewMap(properties)
}

func create(t *testing.T, s integration.Server, in property.Map) provider.CreateResponse {
	t.Helper()
	answer, err := s.Create(provider.CreateRequest{Urn: urn, Properties: in})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestCreateKeepsWhatWasPrintedWithoutTheLastLineEnd(t *testing.T) {
	answer := create(t, server(t), inputs(map[string]string{"create": "cat; echo oops >&2", "stdin": "hello\n"}))
	if got := answer.Properties.Get("stdout").AsString(); got != "hello" {
		t.Errorf("stdout is %q", got)
	}
	if got := answer.Properties.Get("stderr").AsString(); got != "oops" {
		t.Errorf("stderr is %q", got)
	}
}

func TestPreviewRunsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	in := inputs(map[string]string{"create": "touch " + file})
	if _, err := server(t).Create(provider.CreateRequest{Urn: urn, Properties: in, DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the command was run at preview")
	}
}

func TestAFailingCommandFailsTheResourceWithItsWords(t *testing.T) {
	_, err := server(t).Create(provider.CreateRequest{Urn: urn, Properties: inputs(map[string]string{"create": "echo no room >&2; exit 3"})})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no room") {
		t.Errorf("the error is %v", err)
	}
}

func TestUpdateSeesWhatWasPrintedBefore(t *testing.T) {
	s := server(t)
	old := create(t, s, inputs(map[string]string{"create": "echo one"}))
	in := inputs(map[string]string{"create": "echo one", "update": `echo "$PULUMI_COMMAND_STDOUT and two"`})
	answer, err := s.Update(provider.UpdateRequest{ID: old.ID, Urn: urn, State: old.Properties, Inputs: in})
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Properties.Get("stdout").AsString(); got != "one and two" {
		t.Errorf("stdout is %q", got)
	}
}

func TestWithoutUpdateCreateIsRunAgain(t *testing.T) {
	s := server(t)
	old := create(t, s, inputs(map[string]string{"create": "echo one"}))
	in := inputs(map[string]string{"create": "echo again"})
	answer, err := s.Update(provider.UpdateRequest{ID: old.ID, Urn: urn, State: old.Properties, Inputs: in})
	if err != nil || answer.Properties.Get("stdout").AsString() != "again" {
		t.Errorf("answer %v, error %v", answer, err)
	}
}

func TestDeleteRunsWithWhatWasKept(t *testing.T) {
	s := server(t)
	file := filepath.Join(t.TempDir(), "deleted")
	old := create(t, s, inputs(map[string]string{"create": "echo kept", "stdin": "spec", "delete": "cat > " + file + "; echo $PULUMI_COMMAND_STDOUT >> " + file}))
	if err := s.Delete(provider.DeleteRequest{ID: old.ID, Urn: urn, Properties: old.Properties}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "speckept\n" {
		t.Errorf("delete saw %q", got)
	}
}

func TestAChangedInputIsSeen(t *testing.T) {
	s := server(t)
	before := inputs(map[string]string{"create": "true"}).Set("triggers", property.New([]property.Value{property.New("a")}))
	old := create(t, s, before)
	for name, test := range map[string]struct {
		now     property.Map
		changed bool
	}{
		"nothing":         {before, false},
		"another trigger": {before.Set("triggers", property.New([]property.Value{property.New("b")})), true},
		"another command": {before.Set("create", property.New("echo")), true},
		"another stdin":   {before.Set("stdin", property.New("spec")), true},
	} {
		diff, err := s.Diff(provider.DiffRequest{ID: old.ID, Urn: urn, State: old.Properties, OldInputs: before, Inputs: test.now})
		if err != nil || diff.HasChanges != test.changed {
			t.Errorf("%s: %v, error %v", name, diff, err)
		}
	}
}

func TestASecretInputMakesTheOutputSecret(t *testing.T) {
	in := inputs(map[string]string{"create": "cat"}).Set("stdin", property.New("hunter2").WithSecret(true))
	if answer := create(t, server(t), in); !answer.Properties.Get("stdout").Secret() {
		t.Error("stdout of a command with a secret on stdin is not secret")
	}
}

func TestRunAnswersAtOnce(t *testing.T) {
	answer, err := server(t).Invoke(provider.InvokeRequest{Token: "command:local:run", Args: inputs(map[string]string{"command": "echo here"})})
	if err != nil || answer.Return.Get("stdout").AsString() != "here" {
		t.Errorf("answer %v, error %v", answer, err)
	}
}

func TestAssetsAreRefused(t *testing.T) {
	in := inputs(map[string]string{"create": "true"}).Set("assetPaths", property.New([]property.Value{property.New("*")}))
	if _, err := server(t).Create(provider.CreateRequest{Urn: urn, Properties: in}); err == nil {
		t.Error("assetPaths were accepted")
	}
}
