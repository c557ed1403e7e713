using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>Limits a caller's requests to this replica: their rate, by a token bucket, and their concurrency.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "It lives as long as the gateway, and holds memory only.")]
internal sealed class CallerLimits
{
    private readonly TokenBucketRateLimiter? _rate;
    private readonly ConcurrencyLimiter? _places;
    private readonly string _rateExceeded;
    private readonly string _placesExceeded;

    /// <param name="caller">The caller's name.</param>
    /// <param name="requestsPerSecond">The rate; null for no limit.</param>
    /// <param name="burst">
    /// The capacity of the token bucket: the number of requests that may come at once after an idle time.
    /// </param>
    /// <param name="concurrency">The maximum number of concurrent requests; null for no limit.</param>
    public CallerLimits(string caller, double? requestsPerSecond, int burst, int? concurrency)
    {
        _rateExceeded =
            $"Caller \"{caller}\" sends more than {requestsPerSecond} requests in a second, past its burst of {burst} "
            + $"(Gateway__Callers__{caller}__RequestsPerSecond and …__Burst, of each replica).";
        _placesExceeded = $"Caller \"{caller}\" has {concurrency} requests running "
            + $"(Gateway__Callers__{caller}__Concurrency, of each replica).";
        if (requestsPerSecond is { } rate)
        {
            _rate = new TokenBucketRateLimiter(new TokenBucketRateLimiterOptions
            {
                TokenLimit = burst,
                TokensPerPeriod = 1,
                ReplenishmentPeriod = TimeSpan.FromSeconds(1 / rate),
                // Each request replenishes the bucket, so no caller needs a timer.
                AutoReplenishment = false,
                QueueLimit = 0,
            });
        }
        if (concurrency is { } places)
            _places = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = places, QueueLimit = 0 });
    }

    /// <summary>
    /// Admits a request, or throws. Every request takes a token, also one that the concurrency limit then refuses.
    /// </summary>
    /// <param name="takesPlace">Whether the request counts for the concurrency limit.</param>
    /// <returns>The request's place, to be disposed of when the request ends; null if it takes none.</returns>
    /// <exception cref="Failure"><c>rate_limited</c></exception>
    public IDisposable? Enter(bool takesPlace)
    {
        if (_rate is not null)
        {
            _rate.TryReplenish();
            using var admitted = _rate.AttemptAcquire();
            if (!admitted.IsAcquired)
            {
                throw Exceeded(
                    _rateExceeded,
                    admitted.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : TimeSpan.Zero);
            }
        }
        if (!takesPlace || _places is null)
            return null;
        var place = _places.AttemptAcquire();
        if (place.IsAcquired)
            return place;
        place.Dispose();
        throw Exceeded(_placesExceeded, TimeSpan.Zero);
    }

    private static Failure Exceeded(string detail, TimeSpan wait) => new(ProblemCode.RateLimited, detail)
    {
        RetryAfterSeconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)),
    };
}
