using System.Diagnostics.CodeAnalysis;
using System.Threading.RateLimiting;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Callers;

/// <summary>How much a caller may send to this replica: so many requests in a time, and so many at once.</summary>
[SuppressMessage("Reliability", "CA1001", Justification = "It lives as long as the gateway, and holds memory only.")]
internal sealed class CallerLimits
{
    private readonly TokenBucketRateLimiter? _rate;
    private readonly ConcurrencyLimiter? _places;
    private readonly string _rateExceeded;
    private readonly string _placesExceeded;

    /// <param name="caller">Its name.</param>
    /// <param name="requestsPerSecond">Null for any number.</param>
    /// <param name="burst">How many may come at once after a while without any.</param>
    /// <param name="concurrency">Null for any number.</param>
    public CallerLimits(string caller, double? requestsPerSecond, int burst, int? concurrency)
    {
        _rateExceeded = $"Caller \"{caller}\" sends more than {requestsPerSecond} requests in a second, past its burst of {burst} "
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
                // Looked at where a request comes, and by no timer for each caller.
                AutoReplenishment = false,
                QueueLimit = 0,
            });
        }
        if (concurrency is { } places)
            _places = new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = places, QueueLimit = 0 });
    }

    /// <summary>Lets a request in, or refuses it. Every one counts for the rate, those too that are refused for want of a place.</summary>
    /// <param name="takesPlace">Whether it counts among those that run at once.</param>
    /// <returns>The place, given up where it is disposed of; null where it takes none.</returns>
    /// <exception cref="Failure"><c>rate_limited</c></exception>
    public IDisposable? Enter(bool takesPlace)
    {
        if (_rate is not null)
        {
            _rate.TryReplenish();
            using var admitted = _rate.AttemptAcquire();
            if (!admitted.IsAcquired)
                throw Exceeded(_rateExceeded, admitted.TryGetMetadata(MetadataName.RetryAfter, out var wait) ? wait : TimeSpan.Zero);
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
