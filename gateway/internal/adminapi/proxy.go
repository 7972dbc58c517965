package adminapi

import (
	"cmp"
	"context"
	"strconv"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// isTried tells whether a proxy is to be tried before it is saved: where there is one,
// unless the request says `?check=false`.
func isTried(c *gin.Context, proxy string) (bool, error) {
	q := queryOf(c, "check")
	check := q.flag("check")
	return q.err == nil && proxy != "" && (check == nil || *check), q.err
}

// tryProxy goes through a proxy to an upstream once. It may take longer than a call of the
// store, whose context must not be from before.
func (a *API) tryProxy(c *gin.Context, config upstream.Config, proxy string) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), accountTimeout)
	defer cancel()
	if err := a.CheckProxy(ctx, config, secret.New(proxy)); err != nil {
		return jsonapi.Invalid("proxy", "%v; ?check=false saves it all the same", err)
	}
	return nil
}

// tryProxyFor is tryProxy for an upstream that there is already, where it is to be tried.
func (a *API) tryProxyFor(c *gin.Context, upstreamName, proxy string) error {
	if tried, err := isTried(c, proxy); !tried {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	upstreamName = cmp.Or(upstreamName, defaultDriver)
	stored, err := a.storedUpstream(ctx, upstreamName)
	if err != nil {
		return err
	}
	if stored == nil {
		return noUpstream(upstreamName)
	}
	return a.tryProxy(c, withoutProxy(configOf(stored)), proxy)
}

// tryProxyOfToken is tryProxyFor for a token that there is already. The masked form of the
// proxy that it has keeps that one.
func (a *API) tryProxyOfToken(c *gin.Context, tokenID, proxy string) error {
	if tried, err := isTried(c, proxy); !tried {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	found, err := a.Tokens.GetToken(ctx, &tokenstorev1.GetTokenRequest{Id: tokenID})
	if err != nil {
		return storeerr.Translate(err)
	}
	if found.GetToken().GetMaskedProxy() == proxy {
		return nil
	}
	return a.tryProxyFor(c, found.GetToken().GetUpstream(), proxy)
}

// storedUpstream is the upstream as it is stored; nil where there is none of this name.
func (a *API) storedUpstream(ctx context.Context, name string) (*tokenstorev1.Upstream, error) {
	list, err := a.Config.ListUpstreams(ctx, &tokenstorev1.ListUpstreamsRequest{})
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	for _, each := range list.GetUpstreams() {
		if each.GetName() == name {
			return each, nil
		}
	}
	return nil, nil
}

func noUpstream(name string) error {
	return &chat.Error{Kind: chat.NotFound, Param: "upstream", Message: "there is no upstream " + strconv.Quote(name)}
}
