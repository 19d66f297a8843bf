package local_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver"
	provider "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"coursehub.local/offline/command/local"
)

const commandType = tokens.Type("command:local:Command")

var urn = resource.NewURN("test", "course", "", commandType, "command")

// props builds properties from plain values.
type props map[string]any

func (p props) values() property.Map {
	values := map[string]property.Value{}
	for name, value := range p {
		values[name] = value_(value)
	}
	return property.NewMap(values)
}

func value_(value any) property.Value {
	switch value := value.(type) {
	case props:
		return property.New(value.values())
	case []any:
		var items []property.Value
		for _, item := range value {
			items = append(items, value_(item))
		}
		return property.New(items)
	default:
		return property.Must(property.Any(value))
	}
}
