{{/* Scaling of one stage by its lag: dict root, about, name, scaling, groups. */}}
{{- define "sbiscope.hpa" }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "sbiscope.labels" .about | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .name }}}
  minReplicas: {{ .scaling.minReplicas }}
  maxReplicas: {{ .scaling.maxReplicas }}
  metrics:
    - type: Pods
      pods:
        metric: {name: sbiscope_stage_lag_messages}
        target: {type: AverageValue, averageValue: {{ .scaling.lagMessages | int64 | quote }}}
  behavior:
    # Each change hands partitions over: up when the lag stays, down when it has been gone for long.
    scaleUp:
      stabilizationWindowSeconds: 60
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
    scaleDown:
      stabilizationWindowSeconds: 600
      policies: [{type: Pods, value: 1, periodSeconds: 300}]
{{- end }}

{{- define "sbiscope.keda" }}
{{- $kafka := .root.Values.kafka }}
{{- $certificate := include "sbiscope.certificate" (dict "root" .root "certificate" "") }}
{{- $has := or $kafka.sasl.mechanism $certificate (and $kafka.tls.enabled $kafka.tls.caSecret) }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "sbiscope.labels" .about | nindent 4 }}
spec:
  scaleTargetRef: {name: {{ .name }}}
  minReplicaCount: {{ .scaling.minReplicas }}
  maxReplicaCount: {{ .scaling.maxReplicas }}
  pollingInterval: 30
  cooldownPeriod: 600
  triggers:
    {{- range .groups }}
    - type: kafka
      metadata:
        bootstrapServers: {{ $kafka.bootstrap | quote }}
        consumerGroup: {{ $kafka.topicPrefix }}{{ .group }}
        topic: {{ $kafka.topicPrefix }}{{ .topic }}
        lagThreshold: {{ $.scaling.lagMessages | int64 | quote }}
        {{- with $kafka.sasl.mechanism }}
        sasl: {{ get (dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512") . }}
        {{- end }}
        {{- if $kafka.tls.enabled }}
        tls: enable
        {{- end }}
      {{- if $has }}
      authenticationRef: {name: {{ $.name }}}
      {{- end }}
    {{- end }}
{{- if $has }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "sbiscope.labels" .about | nindent 4 }}
spec:
  secretTargetRef:
    {{- if $kafka.sasl.mechanism }}
    - {parameter: username, name: {{ $kafka.sasl.secret }}, key: username}
    - {parameter: password, name: {{ $kafka.sasl.secret }}, key: password}
    {{- end }}
    {{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
    - {parameter: ca, name: {{ $kafka.tls.caSecret }}, key: {{ $kafka.tls.caKey }}}
    {{- end }}
    {{- with $certificate }}
    - {parameter: cert, name: {{ . }}, key: {{ $kafka.tls.certKey }}}
    - {parameter: key, name: {{ . }}, key: {{ $kafka.tls.privateKey }}}
    {{- end }}
{{- end }}
{{- end }}
