{{/* aggregator.toml as hub.aggregator.settings reads it. A JSON string is a TOML string. */}}
{{- define "kelsey.aggregatorToml" -}}
[aggregator]
role = {{ .Values.aggregator.role | toJson }}
protocol_file = "/etc/kelsey/protocol/{{ .Values.aggregator.protocol.key }}"
signing_key_file = "/etc/kelsey/secrets/signing/{{ .Values.aggregator.signingKey.key }}"
{{- if eq .Values.database.type "sqlite" }}
database_url = "sqlite:////var/lib/kelsey/aggregator.sqlite"
{{- else }}
database_url_file = "/etc/kelsey/secrets/database/{{ .Values.database.secretKeys.url }}"
{{- end }}
ledger_file = "/var/lib/kelsey/ledger.sqlite"
uploads_directory = "/var/lib/kelsey/uploads"
listen = "0.0.0.0:8443"
health_listen = "0.0.0.0:9464"
agreement_grace_seconds = {{ printf "%.1f" (float64 .Values.aggregator.agreementGraceSeconds) }}
poll_seconds = {{ printf "%.1f" (float64 .Values.aggregator.pollSeconds) }}
log_format = {{ .Values.aggregator.logFormat | toJson }}

[tls]
certificate_file = "/etc/kelsey/secrets/tls/tls.crt"
key_file = "/etc/kelsey/secrets/tls/tls.key"
client_ca_file = "/etc/kelsey/client-ca/{{ .Values.tls.clientCa.key }}"

[peer]
url = {{ .Values.peer.url | toJson }}
public_key_file = "/etc/kelsey/config/peer.pub"
{{- if .Values.caBundle.existingConfigMap }}
ca_file = "/etc/kelsey/ca/{{ .Values.caBundle.key }}"
{{- end }}

[hub]
url = {{ .Values.hub.url | toJson }}
api_key_file = "/etc/kelsey/secrets/hub/{{ .Values.hub.apiKey.key }}"
{{- if .Values.caBundle.existingConfigMap }}
ca_file = "/etc/kelsey/ca/{{ .Values.caBundle.key }}"
{{- end }}
{{- range .Values.sites }}

[[site]]
id = {{ .id | toJson }}
public_key_file = "/etc/kelsey/config/site-{{ .id }}.pub"
{{- end }}
{{- end }}

{{/* What a schema cannot say, gathered into one list, in words. */}}
{{- define "kelsey.validate" -}}
{{- $missing := list -}}
{{- $v := .Values -}}
{{- if not $v.aggregator.role }}{{ $missing = append $missing "aggregator.role is empty: leader or helper" }}{{ end -}}
{{- with $v.aggregator.protocol }}
{{- if and .existingConfigMap .existingClaim }}{{ $missing = append $missing "aggregator.protocol.existingConfigMap and .existingClaim exclude each other: the protocol's folder comes from one of them" }}
{{- else if not (include "kelsey.protocolPlace" .) }}{{ $missing = append $missing "aggregator.protocol.existingConfigMap is empty: name the ConfigMap with the protocol the sites have accepted, or existingClaim, the volume with it and its artefacts" }}{{ end -}}
{{- end -}}
{{- with $v.aggregator.protocol.activated }}{{ if ne (empty .hash) (empty .by) }}{{ $missing = append $missing "aggregator.protocol.activated: give hash and by, or neither" }}{{ end }}{{ end -}}
{{- if not $v.aggregator.signingKey.existingSecret }}{{ $missing = append $missing "aggregator.signingKey.existingSecret is empty: name the Secret with signing.pem of `kelsey aggregator keys`" }}{{ end -}}
{{- if not $v.tls.existingSecret }}{{ $missing = append $missing "tls.existingSecret is empty: name the Secret with the aggregator's certificate and key" }}{{ end -}}
{{- if not $v.tls.clientCa.existingConfigMap }}{{ $missing = append $missing "tls.clientCa.existingConfigMap is empty: name the ConfigMap with the authority of the sites' and the peer's certificates" }}{{ end -}}
{{- if not $v.peer.url }}{{ $missing = append $missing "peer.url is empty: give the address of the other aggregator" }}{{ end -}}
{{- if not $v.peer.publicKey }}{{ $missing = append $missing "peer.publicKey is empty: give signing.pub of the other aggregator" }}{{ end -}}
{{- if not $v.hub.url }}{{ $missing = append $missing "hub.url is empty: give the address of the hub" }}{{ end -}}
{{- if not $v.hub.apiKey.existingSecret }}{{ $missing = append $missing "hub.apiKey.existingSecret is empty: name the Secret with the API key" }}{{ end -}}
{{- if not $v.sites }}{{ $missing = append $missing "sites is empty: register the sites with their public keys" }}{{ end -}}
{{- $sites := list -}}
{{- range $v.sites }}
{{- if has .id $sites }}{{ $missing = append $missing (printf "sites: %s is there twice" .id) }}{{ end -}}
{{- $sites = append $sites .id -}}
{{- end -}}
{{- if eq $v.database.type "postgresql" -}}
{{- if not $v.database.existingSecret }}{{ $missing = append $missing "database.existingSecret is empty: name the Secret with the PostgreSQL URL" }}{{ end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.database.to) }}{{ $missing = append $missing "networkPolicy.database.to is empty: say where PostgreSQL is, e.g. [{ipBlock: {cidr: 10.1.2.3/32}}]" }}{{ end -}}
{{- end -}}
{{- if $v.networkPolicy.enabled -}}
{{- range $name := list "peer" "hub" }}
{{- if not (index $v.networkPolicy $name).to }}{{ $missing = append $missing (printf "networkPolicy.%s.to is empty: say where the %s is, e.g. [{ipBlock: {cidr: 203.0.113.7/32}}]" $name $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $missing }}{{ fail (printf "\n\nkelsey-aggregator cannot be installed with these values:\n  - %s\n" (join "\n  - " $missing)) }}{{ end -}}
{{- end }}
