"""The signalling of one subscriber as a sequence diagram: terminal, HTML, Mermaid, PlantUML, JSON."""
