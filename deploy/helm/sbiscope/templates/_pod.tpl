{{/* What pods without any right have in common: workers, schema job, report, test. */}}
{{- define "sbiscope.plainPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "sbiscope.pullSecrets" . }}
{{- end }}

{{- define "sbiscope.plainContainer" -}}
image: {{ include "sbiscope.image" (dict "root" . "image" .Values.images.workers) }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
securityContext:
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Certificates as files: dict root, certificate (own Secret for Kafka; may be empty), clickhouse (true: its authority too). */}}
{{- define "sbiscope.certificateMounts" -}}
{{- if and .root.Values.kafka.tls.enabled .root.Values.kafka.tls.caSecret }}
- {name: kafka-ca, mountPath: /etc/sbiscope/kafka, readOnly: true}
{{- end }}
{{- if include "sbiscope.certificate" . }}
- {name: certificate, mountPath: /etc/sbiscope/certificate, readOnly: true}
{{- end }}
{{- if and .clickhouse .root.Values.clickhouse.tls.caSecret }}
- {name: clickhouse-ca, mountPath: /etc/sbiscope/clickhouse, readOnly: true}
{{- end }}
{{- end }}

{{- define "sbiscope.certificateVolumes" -}}
{{- with .root.Values.kafka.tls }}
{{- if and .enabled .caSecret }}
- name: kafka-ca
  secret: {secretName: {{ .caSecret }}, items: [{key: {{ .caKey }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- with include "sbiscope.certificate" . }}
{{- $tls := $.root.Values.kafka.tls }}
- name: certificate
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items: [{key: {{ $tls.certKey }}, path: tls.crt}, {key: {{ $tls.privateKey }}, path: tls.key}]
{{- end }}
{{- with .root.Values.clickhouse.tls }}
{{- if and $.clickhouse .caSecret }}
- name: clickhouse-ca
  secret: {secretName: {{ .caSecret }}, items: [{key: {{ .caKey }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}

{{/* Probes of /healthz, on the port named metrics. */}}
{{- define "sbiscope.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
  failureThreshold: 3
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
