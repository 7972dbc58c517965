package web

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/connect"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/pattern"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// connectPanel says what to set in a client.
type connectPanel struct {
	connect.Target
	Clients []connect.Client
	// Models can be chosen; Model is the one that is.
	Models []string
}

// mostConnectModels bounds the models that can be chosen.
const mostConnectModels = 500

// connectPanel is for a key, with its secret or, where that is empty, with a placeholder. The
// query may say the model.
func (s *Site) connectPanel(c *gin.Context, key *tokenstorev1.ClientKey, secret string) connectPanel {
	panel := connectPanel{Clients: connect.Clients(), Models: s.connectModels(key)}
	panel.URL, panel.Key = s.gatewayURL(c.Request), secret
	if at := max(slices.Index(panel.Models, c.Query("model")), 0); len(panel.Models) > 0 {
		panel.Model = panel.Models[at]
	}
	return panel
}

// gatewayURL is the address of the API, as the browser has reached this gateway.
func (s *Site) gatewayURL(r *http.Request) string {
	scheme := "http://"
	if forwarded.Encrypted(r) {
		scheme = "https://"
	}
	return scheme + r.Host + s.RoutePrefix
}

// connectModels are the models that a key may use, those first that can be served, and then the
// names that it is given without being a model's. Only those are offered that no text has to quote.
func (s *Site) connectModels(key *tokenstorev1.ClientKey) []string {
	may := caller.Key{Models: key.GetModels()}
	var models []string
	for _, model := range slices.Concat(idsOf(s.Servable()), s.modelIDs(), key.GetModels()) {
		if len(models) < mostConnectModels && !pattern.Is(model) && connect.Plain(model) && may.MayUse(model) && !slices.Contains(models, model) {
			models = append(models, model)
		}
	}
	return models
}
