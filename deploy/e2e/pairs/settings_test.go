package pairs_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/pairs"
)

// settings plays each setting that has something to play, and sees to it that none is left
// out.
func (w *world) settings(t *testing.T) {
	t.Parallel()
	for pair, settings := range map[pairs.Pair][]pairs.Setting{
		pairs.MessagesOpenAI: pairs.OpenAISettings, pairs.ChatAnthropic: pairs.AnthropicSettings,
	} {
		refused := w.Gateways[0].Admin(t, http.MethodPut, "/admin/api/upstreams/unknown", map[string]any{
			"driver": pair.Driver, "base_url": w.tap.url, "settings": map[string]string{"no_such": "x"},
		})
		_, list, _ := strings.Cut(string(refused.Body), "there are ")
		list, _, _ = strings.Cut(list, `"`)
		known := pairs.Keys(settings)
		slices.Sort(known)
		if want := strings.Join(known, ", "); refused.Status != http.StatusBadRequest || list != want {
			t.Errorf("%s has the settings %s\nlisted are          %s\n%s", pair.Driver, list, want, refused.Body)
		}
		for _, setting := range settings {
			if setting.Send == "" {
				continue
			}
			name := "with-" + strings.ReplaceAll(setting.Key, "_", "-") + "-" + pair.Driver
			base := w.tap.url
			if pair.Driver == "openai" {
				base += "/v1"
			}
			w.PutUpstream(name, map[string]any{"driver": pair.Driver, "base_url": base, "models": []string{"m"}, "settings": map[string]string{setting.Key: setting.With}})
			w.AddTokens(name, name, 1, 0)
			t.Run(pair.Driver+"/"+setting.Key, func(t *testing.T) {
				t.Parallel()
				model := w.name("", "echo")
				got := w.field(t, pair, name, model, setting.Send)
				arrived := w.tap.got(model)
				switch {
				case setting.Arrives == "" && (got.status != http.StatusBadRequest || len(arrived) > 0):
					t.Errorf("%d %s; %d requests arrived", got.status, got.body, len(arrived))
				case setting.Arrives == "":
				case len(arrived) == 0:
					t.Errorf("%d %s", got.status, got.body)
				case !within(any(members(t, []byte(setting.Arrives))), any(members(t, arrived[0].body))):
					t.Errorf("arrived: %s\nwant in it: %s", arrived[0].body, setting.Arrives)
				}
			})
		}
	}
}
