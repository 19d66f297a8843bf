package local_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"coursehub.local/offline/command/local"
)

var urn = resource.NewURN("test", "course", "", "command:local:Command", "command")

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// course is a server of the provider and one Command of a stack, taken through its life as the engine would.
type course struct {
	*testing.T
	server integration.Server
	id     string
	state  property.Map
}

func start(t *testing.T) *course {
	server, err := integration.NewServer(
		t.Context(), "command", semver.MustParse("1.2.1"), integration.WithProvider(local.Provider()))
	require.NoError(t, err)
	return &course{T: t, server: server}
}

func (c *course) check(inputs property.Map) property.Map {
	checked, err := c.server.Check(provider.CheckRequest{Urn: urn, Inputs: inputs})
	require.NoError(c, err)
	require.Empty(c, checked.Failures)
	return checked.Inputs
}

func (c *course) create(inputs property.Map) error {
	created, err := c.server.Create(provider.CreateRequest{Urn: urn, Properties: c.check(inputs)})
	c.id, c.state = created.ID, created.Properties
	return err
}

func (c *course) diff(inputs property.Map) provider.DiffResponse {
	diff, err := c.server.Diff(provider.DiffRequest{
		ID: c.id, Urn: urn, State: c.state, OldInputs: c.state, Inputs: c.check(inputs)})
	require.NoError(c, err)
	return diff
}

func (c *course) update(inputs property.Map) error {
	updated, err := c.server.Update(provider.UpdateRequest{ID: c.id, Urn: urn, State: c.state, Inputs: c.check(inputs)})
	if err == nil {
		c.state = updated.Properties
	}
	return err
}

func (c *course) delete() error {
	return c.server.Delete(provider.DeleteRequest{ID: c.id, Urn: urn, Properties: c.state})
}

func (c *course) output(name string) string {
	return c.state.Get(name).AsString()
}

// inputs are properties, from pairs of a name and a value.
func inputs(pairs ...any) property.Map {
	found := map[string]property.Value{}
	for i := 0; i < len(pairs); i += 2 {
		found[pairs[i].(string)] = value(pairs[i+1])
	}
	return property.NewMap(found)
}

func value(plain any) property.Value {
	switch plain := plain.(type) {
	case property.Map:
		return property.New(plain)
	case property.Value:
		return plain
	case []string:
		items := make([]property.Value, len(plain))
		for i, item := range plain {
			items[i] = property.New(item)
		}
		return property.New(items)
	case bool:
		return property.New(plain)
	default:
		return property.New(plain.(string))
	}
}

func secret(text string) property.Value { return property.New(text).WithSecret(true) }

// logged records what the provider shows while commands run.
func logged(t *testing.T) *bytes.Buffer {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestCreateTellsWhatTheCommandSaid(t *testing.T) {
	c := start(t)
	require.NoError(t, c.create(inputs("create", "echo out; echo two; echo err >&2")))
	assert.Equal(t, "out\ntwo", c.output("stdout"), "only the newline that ends it is cut")
	assert.Equal(t, "err", c.output("stderr"))
	assert.True(t, strings.HasPrefix(c.id, "command"))
}

func TestCommandRunsAsAsked(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("INHERITED", "inherited")
	for name, test := range map[string]struct {
		inputs property.Map
		want   string
	}{
		"stdin":         {inputs("create", "cat", "stdin", "given"), "given"},
		"no stdin":      {inputs("create", "cat"), ""},
		"environment":   {inputs("create", "echo $INHERITED $OWN", "environment", inputs("OWN", "own")), "inherited own"},
		"own wins":      {inputs("create", "echo $INHERITED", "environment", inputs("INHERITED", "own")), "own"},
		"dir":           {inputs("create", "pwd", "dir", dir), dir},
		"interpreter":   {inputs("create", "a b", "interpreter", []string{"/bin/echo", "-n", "said:"}), "said: a b"},
		"no command":    {inputs("delete", "exit 1"), ""},
		"a long line":   {inputs("create", "head -c 300000 /dev/zero | tr '\\0' x | wc -c"), "300000"},
		"a long output": {inputs("create", "head -c 300000 /dev/zero | tr '\\0' x"), strings.Repeat("x", 300000)},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			require.NoError(t, c.create(test.inputs))
			assert.Equal(t, test.want, c.output("stdout"))
		})
	}
}

func TestFailureNamesCodeCommandAndOutputButNotWhatItWasGiven(t *testing.T) {
	log := logged(t)
	c := start(t)
	err := c.create(inputs("create", "echo half; echo no room >&2; exit 3",
		"environment", inputs("PASSWORD", secret("hunter1")), "stdin", secret("hunter2")))
	require.Error(t, err)
	for _, part := range []string{"exit status 3", "echo half;", "half\n", "no room\n"} {
		assert.Contains(t, err.Error(), part)
	}
	assert.NotContains(t, err.Error()+log.String(), "hunter")
	assert.Empty(t, c.id, "a failed create keeps no state")
}

func TestCannotRunAtAll(t *testing.T) {
	assert.ErrorContains(t, start(t).create(inputs("create", "true", "dir", "/no/such/folder")), "/no/such/folder")
	assert.ErrorContains(t, start(t).create(inputs("create", "true", "interpreter", []string{"/no/such/shell"})), "/no/such/shell")
}

func TestPreviewRunsNothing(t *testing.T) {
	c := start(t)
	touched := filepath.Join(t.TempDir(), "touched")
	given := inputs("create", "echo first")
	require.NoError(t, c.create(given))
	changed := c.check(inputs("create", "touch "+touched))

	created, err := c.server.Create(provider.CreateRequest{Urn: urn, Properties: changed, DryRun: true})
	require.NoError(t, err)
	updated, err := c.server.Update(provider.UpdateRequest{ID: c.id, Urn: urn, State: c.state, Inputs: changed, DryRun: true})
	require.NoError(t, err)

	assert.NoFileExists(t, touched)
	for _, output := range []string{"stdout", "stderr"} {
		assert.True(t, created.Properties.Get(output).IsComputed(), "unknown until it has run")
		assert.True(t, updated.Properties.Get(output).IsComputed(), "unknown until it has run")
	}
	assert.Equal(t, "touch "+touched, updated.Properties.Get("create").AsString())
}

func TestUpdateRunsUpdateAndElseCreateAgain(t *testing.T) {
	c := start(t)
	require.NoError(t, c.create(inputs("create", "echo created")))
	require.NoError(t, c.update(inputs("create", "echo created again")))
	assert.Equal(t, "created again", c.output("stdout"))
	require.NoError(t, c.update(inputs("create", "echo created again", "update", "echo updated")))
	assert.Equal(t, "updated", c.output("stdout"))
	require.NoError(t, c.update(inputs("delete", "true")))
	assert.Equal(t, "updated", c.output("stdout"), "with nothing to run, what was said last stays")
	require.Error(t, c.update(inputs("create", "exit 1")))
}

func TestAnyChangeUpdatesAndAChangedTriggerReplaces(t *testing.T) {
	before := []any{"create", "true", "update", "true", "triggers", []string{"a", "b"}}
	for name, test := range map[string]struct {
		changed  []any
		changes  bool
		replaces bool
	}{
		"nothing":          {nil, false, false},
		"create":           {[]any{"create", "false"}, true, false},
		"update":           {[]any{"update", "false"}, true, false},
		"delete":           {[]any{"delete", "true"}, true, false},
		"dir":              {[]any{"dir", "/"}, true, false},
		"stdin":            {[]any{"stdin", secret("x")}, true, false},
		"environment":      {[]any{"environment", inputs("triggers", "x")}, true, false},
		"a trigger":        {[]any{"triggers", []string{"a", "c"}}, true, true},
		"a trigger more":   {[]any{"triggers", []string{"a", "b", "c"}}, true, true},
		"a trigger less":   {[]any{"triggers", []string{"a"}}, true, true},
		"a trigger's kind": {[]any{"triggers", inputsOf("nested", inputs("deep", "x"))}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			require.NoError(t, c.create(inputs(before...)))
			diff := c.diff(inputs(append(append([]any{}, before...), test.changed...)...))
			assert.Equal(t, test.changes, diff.HasChanges)
			replaces := false
			for _, change := range diff.DetailedDiff {
				switch change.Kind {
				case provider.AddReplace, provider.DeleteReplace, provider.UpdateReplace:
					replaces = true
				}
			}
			assert.Equal(t, test.replaces, replaces, "%v", diff.DetailedDiff)
		})
	}
}

// inputsOf is a list of one object.
func inputsOf(pairs ...any) property.Value {
	return property.New([]property.Value{property.New(inputs(pairs...))})
}

func TestTheFirstTriggersReplaceToo(t *testing.T) {
	c := start(t)
	require.NoError(t, c.create(inputs("create", "true")))
	diff := c.diff(inputs("create", "true", "triggers", []string{"a"}))
	assert.Equal(t, provider.AddReplace, diff.DetailedDiff["triggers"].Kind)
}

func TestPreviousOutputReachesTheNextCommand(t *testing.T) {
	said := "echo [$PULUMI_COMMAND_STDOUT] [$PULUMI_COMMAND_STDERR]"
	c := start(t)
	require.NoError(t, c.create(inputs("create", said+"; echo err >&2")))
	assert.Equal(t, "[] []", c.output("stdout"))
	require.NoError(t, c.update(inputs("create", said)))
	assert.Equal(t, "[[] []] [err]", c.output("stdout"))
	require.NoError(t, c.update(inputs("create", said, "addPreviousOutputInEnv", false)))
	assert.Equal(t, "[] []", c.output("stdout"))
}

func TestDeleteRunsWhatTheStateHolds(t *testing.T) {
	c := start(t)
	note := filepath.Join(t.TempDir(), "note")
	require.NoError(t, c.create(inputs("create", "echo created", "stdin", "given",
		"delete", "{ echo $PULUMI_COMMAND_STDOUT $NAME; cat; } > $NOTE",
		"environment", inputs("NOTE", note, "NAME", "name"))))
	require.NoError(t, c.delete())
	text, err := os.ReadFile(note)
	require.NoError(t, err)
	assert.Equal(t, "created name\ngiven", string(text))
}

func TestDeleteWithoutCommandDoesNothingAndAFailedOneFails(t *testing.T) {
	c := start(t)
	require.NoError(t, c.create(inputs("create", "true")))
	require.NoError(t, c.delete())
	require.NoError(t, c.create(inputs("create", "true", "delete", "echo still in use >&2; exit 5")))
	err := c.delete()
	assert.ErrorContains(t, err, "exit status 5")
	assert.ErrorContains(t, err, "still in use")
}

func TestLoggingShowsOnlyTheStreamsAskedFor(t *testing.T) {
	for logging, want := range map[string][2]bool{
		"":                {true, true},
		"stdoutAndStderr": {true, true},
		"stdout":          {true, false},
		"stderr":          {false, true},
		"none":            {false, false},
	} {
		t.Run(logging, func(t *testing.T) {
			log := logged(t)
			given := inputs("create", "echo one; echo -n two >&2")
			if logging != "" {
				given = given.Set("logging", property.New(logging))
			}
			c := start(t)
			require.NoError(t, c.create(given))
			assert.Equal(t, want, [2]bool{strings.Contains(log.String(), "msg=one"), strings.Contains(log.String(), "msg=two")})
			assert.Equal(t, "onetwo", c.output("stdout")+c.output("stderr"), "outputs hold both all the same")
		})
	}
}

func TestOneSecretInputMakesTheOutputsSecret(t *testing.T) {
	for name, given := range map[string]property.Map{
		"stdin":       inputs("create", "cat", "stdin", secret("x")),
		"environment": inputs("create", "echo $A", "environment", inputs("A", secret("x"))),
		"command":     inputs("create", secret("echo x")),
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t)
			require.NoError(t, c.create(given))
			require.NoError(t, c.update(given.Set("dir", property.New("/"))))
			assert.True(t, c.state.Get("stdout").Secret())
			assert.True(t, c.state.Get("stderr").Secret())
			assert.False(t, c.state.Get("dir").HasSecrets(), "what the program gave openly stays open")
		})
	}
	c := start(t)
	require.NoError(t, c.create(inputs("create", "echo open")))
	assert.False(t, c.state.Get("stdout").Secret())
}

func TestAssetsAreRefused(t *testing.T) {
	for _, name := range []string{"assetPaths", "archivePaths"} {
		checked, err := start(t).server.Check(provider.CheckRequest{Urn: urn, Inputs: inputs(name, []string{"*.txt"})})
		require.NoError(t, err)
		require.Len(t, checked.Failures, 1)
		assert.Equal(t, name, checked.Failures[0].Property)
		assert.Contains(t, checked.Failures[0].Reason, "stand-in")

		_, err = start(t).server.Invoke(provider.InvokeRequest{
			Token: "command:local:run", Args: inputs("command", "true", name, []string{"*.txt"})})
		assert.ErrorContains(t, err, name)
	}
}

func TestUnknownLoggingIsRefused(t *testing.T) {
	checked, err := start(t).server.Check(provider.CheckRequest{Urn: urn, Inputs: inputs("logging", "loud")})
	require.NoError(t, err)
	require.Len(t, checked.Failures, 1)
	assert.Equal(t, "logging", checked.Failures[0].Property)
	assert.Contains(t, checked.Failures[0].Reason, "stdoutAndStderr")
}

func TestRunRunsEachTime(t *testing.T) {
	server := start(t).server
	result, err := server.Invoke(provider.InvokeRequest{
		Token: "command:local:run",
		Args:  inputs("command", "echo $A; cat >&2", "stdin", "err", "environment", inputs("A", "out"), "logging", "none"),
	})
	require.NoError(t, err)
	assert.Equal(t, "out", result.Return.Get("stdout").AsString())
	assert.Equal(t, "err", result.Return.Get("stderr").AsString())
	assert.Equal(t, "echo $A; cat >&2", result.Return.Get("command").AsString())

	_, err = server.Invoke(provider.InvokeRequest{Token: "command:local:run", Args: inputs("command", "echo why >&2; exit 7")})
	assert.ErrorContains(t, err, "exit status 7")
	assert.ErrorContains(t, err, "why")
}

func TestCancellationEndsAllThatTheCommandStarted(t *testing.T) {
	for name, trap := range map[string]string{"asked": "", "killed": "trap '' TERM; "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the one that must be killed takes as long as a command may
			c := start(t)
			beat := filepath.Join(t.TempDir(), "beat")
			failed := make(chan error)
			go func() {
				given := inputs("create", trap+"(while :; do echo x >> "+beat+"; sleep 0.05; done) & wait; wait; wait")
				_, err := c.server.Create(provider.CreateRequest{Urn: urn, Properties: given})
				failed <- err
			}()
			require.Eventually(t, func() bool { return size(beat) > 0 }, 10*time.Second, 10*time.Millisecond)
			require.NoError(t, c.server.Cancel())
			assert.ErrorContains(t, <-failed, context.Canceled.Error())
			after := size(beat)
			time.Sleep(300 * time.Millisecond)
			assert.Equal(t, after, size(beat), "nothing works on in the background")
		})
	}
}

func size(file string) int64 {
	found, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return found.Size()
}
