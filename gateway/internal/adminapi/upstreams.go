package adminapi

import (
	"context"
	"maps"
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

type upstreamObject struct {
	Name     string            `json:"name"`
	Driver   string            `json:"driver"`
	BaseURL  string            `json:"base_url"`
	Models   []string          `json:"models"`
	Settings map[string]string `json:"settings"`
	Version  uint64            `json:"version"`
}

func upstreamOf(u *tokenstorev1.Upstream) upstreamObject {
	settings := u.GetSettings()
	if settings == nil {
		settings = map[string]string{}
	}
	return upstreamObject{
		Name: u.GetName(), Driver: u.GetDriver(), BaseURL: u.GetBaseUrl(),
		Models: nullable.List(u.GetModels()), Settings: settings, Version: u.GetVersion(),
	}
}

// GET /admin/api/upstreams
func (a *API) listUpstreams(c *gin.Context) error {
	ctx, cancel := a.Call(c)
	defer cancel()
	list, err := a.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return storeerr.Translate(err)
	}
	upstreams := make([]upstreamObject, 0, len(list.GetUpstreams()))
	for _, u := range list.GetUpstreams() {
		upstreams = append(upstreams, upstreamOf(u))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Upstreams []upstreamObject `json:"upstreams"`
		// Next is always empty: there are few upstreams, one page has them all.
		Next string `json:"next"`
	}{Upstreams: upstreams})
}

// PUT /admin/api/upstreams/{name}
func (a *API) putUpstream(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	var body struct {
		Driver   string            `json:"driver"`
		BaseURL  string            `json:"base_url"`
		Models   []string          `json:"models"`
		Settings map[string]string `json:"settings"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	name := c.Param("name")
	config := upstream.Config{Name: name, Driver: body.Driver, BaseURL: body.BaseURL, Models: body.Models, Settings: body.Settings}
	proxy := body.Settings[proxySetting]
	tried, err := isTried(c, proxy)
	if err != nil {
		return err
	}
	kept, err := a.keepsProxy(c, name, proxy)
	if err != nil {
		return err
	}
	judged := config
	if kept {
		judged = withoutProxy(config)
	}
	if err := a.ValidateUpstream(judged); err != nil {
		return &chat.Error{Kind: chat.InvalidRequest, Message: err.Error()}
	}
	if tried && !kept {
		if err := a.tryProxy(c, config, proxy); err != nil {
			return err
		}
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	put, err := a.Config.PutUpstream(ctx, &tokenstorev1.PutUpstreamRequest{
		Upstream: &tokenstorev1.Upstream{
			Name: name, Driver: body.Driver, BaseUrl: body.BaseURL, Models: body.Models, Settings: body.Settings,
		},
		ExpectedVersion: version,
	})
	if err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "upstream put", "upstream", name, "driver", body.Driver, "base_url", body.BaseURL)
	return answerVersioned(c, http.StatusOK, struct {
		upstreamObject
		Check probe `json:"check"`
	}{upstreamOf(put.GetUpstream()), a.probeSaved(c.Request.Context(), config, kept)}, put.GetUpstream().GetVersion())
}

// proxySetting may hold a password: the store masks it in what it answers.
const proxySetting = "proxy"

// configOf is a stored upstream as drivers are made of it, but that its proxy may be masked.
func configOf(stored *tokenstorev1.Upstream) upstream.Config {
	return upstream.Config{
		Name: stored.GetName(), Driver: stored.GetDriver(), BaseURL: stored.GetBaseUrl(),
		Models: stored.GetModels(), Settings: stored.GetSettings(),
	}
}

// withoutProxy is a config without the proxy, of which no driver can be made where it is
// masked.
func withoutProxy(config upstream.Config) upstream.Config {
	config.Settings = maps.Clone(config.Settings)
	delete(config.Settings, proxySetting)
	return config
}

// keepsProxy tells whether the proxy is the masked form of that which is stored of an
// upstream, so that its password is not known here.
func (a *API) keepsProxy(c *gin.Context, name, proxy string) (bool, error) {
	if proxy == "" {
		return false, nil
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	stored, err := a.storedUpstream(ctx, name)
	return stored.GetSettings()[proxySetting] == proxy, err
}

// probeSaved asks an upstream that was saved for its models.
func (a *API) probeSaved(ctx context.Context, config upstream.Config, proxyKept bool) probe {
	if proxyKept {
		return probed("not_asked", "its proxy is the one that it had")
	}
	return a.probeUpstream(ctx, config)
}

// DELETE /admin/api/upstreams/{name}
func (a *API) deleteUpstream(c *gin.Context) error {
	version, err := jsonapi.ExpectedVersion(c)
	if err != nil {
		return err
	}
	name := c.Param("name")
	ctx, cancel := a.Call(c)
	defer cancel()
	if _, err := a.Config.DeleteUpstream(ctx, &tokenstorev1.DeleteUpstreamRequest{Name: name, ExpectedVersion: version}); err != nil {
		return storeerr.Translate(err)
	}
	a.Note(c, "upstream deleted", "upstream", name)
	c.Status(http.StatusNoContent)
	return nil
}
