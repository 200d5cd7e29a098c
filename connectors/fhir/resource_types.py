"""Names of FHIR resource types: what a resource that is no AdverseEvent is to us."""

from __future__ import annotations

from cases import IgnoreReason
from connectors.fhir.drugs import DRUG_TYPES

__all__ = ["CONTEXT_TYPES", "RESOURCE_TYPES", "ignore_reason"]

RESOURCE_TYPES = frozenset(
    {
        "Account", "ActivityDefinition", "ActorDefinition", "AdministrableProductDefinition", "AdverseEvent",
        "AllergyIntolerance", "Appointment", "AppointmentResponse", "ArtifactAssessment", "AuditEvent", "Basic",
        "Binary", "BiologicallyDerivedProduct", "BiologicallyDerivedProductDispense", "BodySite", "BodyStructure",
        "Bundle", "CanonicalResource", "CapabilityStatement", "CarePlan", "CareTeam", "CatalogEntry", "ChargeItem",
        "ChargeItemDefinition", "Citation", "Claim", "ClaimResponse", "ClinicalImpression", "ClinicalUseDefinition",
        "CodeSystem", "Communication", "CommunicationRequest", "CompartmentDefinition", "Composition", "ConceptMap",
        "Condition", "ConditionDefinition", "Conformance", "Consent", "Contract", "Coverage",
        "CoverageEligibilityRequest", "CoverageEligibilityResponse", "DataElement", "DetectedIssue", "Device",
        "DeviceAssociation", "DeviceDefinition", "DeviceDispense", "DeviceMetric", "DeviceRequest", "DeviceUsage",
        "DeviceUseRequest", "DeviceUseStatement", "DiagnosticReport", "DocumentManifest", "DocumentReference",
        "EffectEvidenceSynthesis", "EligibilityRequest", "EligibilityResponse", "Encounter", "EncounterHistory",
        "Endpoint", "EnrollmentRequest", "EnrollmentResponse", "EpisodeOfCare", "EventDefinition", "Evidence",
        "EvidenceReport", "EvidenceVariable", "ExampleScenario", "ExpansionProfile", "ExplanationOfBenefit",
        "FamilyMemberHistory", "Flag", "FormularyItem", "GenomicStudy", "Goal", "GraphDefinition", "Group",
        "GuidanceResponse", "HealthcareService", "ImagingManifest", "ImagingSelection", "ImagingStudy",
        "Immunization", "ImmunizationEvaluation", "ImmunizationRecommendation", "ImplementationGuide", "Ingredient",
        "InsurancePlan", "InventoryItem", "InventoryReport", "Invoice", "Library", "Linkage", "List", "Location",
        "ManufacturedItemDefinition", "Measure", "MeasureReport", "Media", "Medication", "MedicationAdministration",
        "MedicationDispense", "MedicationKnowledge", "MedicationRequest", "MedicationStatement", "MedicinalProduct",
        "MedicinalProductAuthorization", "MedicinalProductContraindication", "MedicinalProductDefinition",
        "MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
        "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
        "MedicinalProductUndesirableEffect", "MessageDefinition", "MessageHeader", "MetadataResource",
        "MolecularSequence", "NamingSystem", "NutritionIntake", "NutritionOrder", "NutritionProduct", "Observation",
        "ObservationDefinition", "OperationDefinition", "OperationOutcome", "Order", "OrderResponse",
        "Organization", "OrganizationAffiliation", "PackagedProductDefinition", "Parameters", "Patient",
        "PaymentNotice", "PaymentReconciliation", "Permission", "Person", "PlanDefinition", "Practitioner",
        "PractitionerRole", "Procedure", "ProcedureRequest", "ProcessRequest", "ProcessResponse", "Provenance",
        "Questionnaire", "QuestionnaireResponse", "ReferralRequest", "RegulatedAuthorization", "RelatedPerson",
        "RequestGroup", "RequestOrchestration", "Requirements", "ResearchDefinition", "ResearchElementDefinition",
        "ResearchStudy", "ResearchSubject", "RiskAssessment", "RiskEvidenceSynthesis", "Schedule",
        "SearchParameter", "Sequence", "ServiceDefinition", "ServiceRequest", "Slot", "Specimen",
        "SpecimenDefinition", "StructureDefinition", "StructureMap", "Subscription", "SubscriptionStatus",
        "SubscriptionTopic", "Substance", "SubstanceDefinition", "SubstanceNucleicAcid", "SubstancePolymer",
        "SubstanceProtein", "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
        "SupplyDelivery", "SupplyRequest", "Task", "TerminologyCapabilities", "TestPlan", "TestReport",
        "TestScript", "Transport", "ValueSet", "VerificationResult", "VisionPrescription",
    }
)  # fmt: skip
"""All resource types of STU3, R4, R4B and R5: anything else is no FHIR."""

CONTEXT_TYPES = DRUG_TYPES | {"Patient", "ResearchSubject", "Condition", "Observation", "DocumentReference", "Binary"}
"""Resource types that an AdverseEvent is read with."""


def ignore_reason(resource_type: str) -> str:
    """Why a resource of this type gives no case: it only serves AdverseEvents, or has nothing to do with them."""
    return IgnoreReason.CONTEXT if resource_type in CONTEXT_TYPES else IgnoreReason.NOT_ADVERSE_EVENT
