package tap

import (
	"testing"

	"weft/internal/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }
