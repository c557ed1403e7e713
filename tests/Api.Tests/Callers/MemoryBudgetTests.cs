using Gateway.Api.Callers;
using Gateway.Api.Errors;
using Gateway.Contracts;

namespace Gateway.Api.Tests.Callers;

public sealed class MemoryBudgetTests
{
    private const int Step = 32 * 1024;
    private const int Budget = 1000 * Step;

    private readonly MemoryBudget _budget = new(Budget);

    [Fact]
    public void OneCaller_HasThreeQuartersAndLeavesTheRest()
    {
        using var greedy = _budget.Open("greedy");
        greedy.Take(_budget.MostOfOne - Step);
        using var another = _budget.Open("greedy");
        another.Take(Step);

        Assert.Equal(ProblemCode.Saturated, Assert.Throws<Failure>(() => another.Take(1 + Step)).Code);

        Assert.Equal(Budget / 4 * 3, _budget.Held);
    }

    [Fact]
    public void Callers_AllGetSomeWhateverTheOthersHold()
    {
        var held = new List<MemoryReservation>();
        for (var caller = 0; caller < 5; caller++)
        {
            var count = 0;
            try
            {
                for (; ; count++)
                {
                    var request = _budget.Open($"caller {caller}");
                    held.Add(request);
                    request.Take(Step);
                }
            }
            catch (Failure failure)
            {
                Assert.Equal(ProblemCode.Saturated, failure.Code);
            }
            // Each new caller gets three quarters of the memory that the others have left.
            Assert.InRange(count, 1, Budget / Step);
        }

        foreach (var request in held)
            request.Dispose();
        Assert.Equal(0, _budget.Held);
    }

    [Fact]
    public void WhatNeverFits_IsNotToBeTriedAgain()
    {
        using var request = _budget.Open("a");
        Assert.Equal(ProblemCode.BodyTooLarge, Assert.Throws<Failure>(() => request.Take(_budget.MostOfOne + 1)).Code);
        request.TooLarge = ProblemCode.ResultTooLarge;
        Assert.Equal(ProblemCode.ResultTooLarge, Assert.Throws<Failure>(() => request.Take(_budget.MostOfOne + 1)).Code);
        Assert.Equal(0, _budget.Held);
    }

    [Fact]
    public void WhatIsGivenBack_OthersMayHave()
    {
        using var first = _budget.Open("a");
        using var second = _budget.Open("a");
        first.Take(_budget.MostOfOne);
        Assert.Throws<Failure>(() => second.Take(1));

        first.GiveBack(_budget.MostOfOne / 2);
        second.Take(_budget.MostOfOne / 4);

        first.Dispose();
        second.Dispose();
        Assert.Equal(0, _budget.Held);
    }

    [Fact]
    public void WhatIsAbandoned_CountsUntilItEnds()
    {
        var working = new TaskCompletionSource();
        var request = _budget.Open("a");
        request.Take(10 * Step);
        request.KeepUntil(working.Task);
        request.Dispose();
        Assert.Equal(10 * Step, _budget.Held);

        working.SetResult();

        Assert.True(SpinWait.SpinUntil(() => _budget.Held == 0, TimeSpan.FromSeconds(10)));
        // After the end of the request this has no effect.
        request.GiveBack(Step);
        request.Take(Step);
        Assert.Equal(0, _budget.Held);
    }
}
