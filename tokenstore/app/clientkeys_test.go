package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/app"
	"carousel.internal/tokenstore/internal/testredis"
)

// A tokenstore has read all client keys before anybody lists them, also after it may have missed
// changes of them.
func TestClientKeysAreReadBeforeTheyAreListed(t *testing.T) {
	t.Parallel()
	client := testredis.Start(t)
	pairs := map[string]string{"SEAL_KEY_FILE": filepath.Join(t.TempDir(), "seal.key")}
	first := run(t, app.Options{Config: load(t, "", pairs), Redis: client})
	first.untilReady(t, true)
	keys := tokenstorev1.NewKeyServiceClient(first.conn)
	_, err := keys.CreateKey(t.Context(), &tokenstorev1.CreateKeyRequest{Key: &tokenstorev1.ClientKey{Name: "CI"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := run(t, app.Options{Config: load(t, "", pairs), Redis: client})
	hasRead := func(times int) func() bool {
		return func() bool {
			return strings.Count(second.log.String(), `"client keys are read","service":"tokenstore","keys":1`) >= times
		}
	}
	until(t, "the keys are read at the start", hasRead(1))
	if err := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "they are read after the connection was lost", hasRead(2))
}
