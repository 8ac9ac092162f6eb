using Shared.Pool;

namespace Shared.Display;

/// <summary>One backend from three sides: what the pool thinks, what its process does, what traffic it served.</summary>
internal sealed record BackendStatus(BackendRow Row, string Process, double Share, long Served);
